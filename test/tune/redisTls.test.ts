// rediss:// against a real Redis that encrypts. Its certificate is signed by itself, so that a worker has to be told to trust it.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { openStorage } from '../../src/tune/storage/index.js';
import { hasRedisTls, makeCertificate, startRedis } from './servers.js';

const tls = hasRedisTls ? makeCertificate() : null;
const build = new URL('../../src/tune/', import.meta.url).href;

(tls ? describe : describe.skip)('a Redis that encrypts', () => {
  let url = '';
  beforeAll(async () => void (url = `rediss://127.0.0.1:${(await startRedis(tls!)).port}`));

  test('a worker that trusts the certificate runs a study', async () => {
    const code = `
      import { float } from '${build}distributions.js';
      import { randomSampler } from '${build}samplers/random.js';
      import { readJournal } from '${build}storage/index.js';
      import { createStudy } from '${build}study.js';
      const study = createStudy({ name: 'tls', storage: '${url}', space: { x: float(0, 1) }, sampler: randomSampler() });
      await study.optimize(({ number }) => number, { trials: 3 });
      study.close();
      console.log(JSON.stringify(readJournal('${url}')[0].trials.map(({ value }) => value)));`;
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: tls!.certificate };
    const node = promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], { env });
    expect(JSON.parse((await node).stdout)).toEqual([0, 1, 2]);
  });

  test('a certificate that is not trusted is refused at once, and the message says what to do', () => {
    expect(() => openStorage(url)).toThrow(
      /^Certificate of 127\.0\.0\.1:\d+: self-signed certificate; NODE_EXTRA_CA_CERTS=FILE adds the authority that signed it$/,
    );
  });
});
