// Dockerfile.cuda, as far as it can be tested without a container engine: what it copies and runs is there and parses, as do
// the scripts in deploy/.

import { spawnSync } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const lines = readFileSync(join(root, 'Dockerfile.cuda'), 'utf8').replace(/\\\n/g, ' ').split('\n');
const instructions = (name: string) => lines.filter((line) => line.startsWith(`${name} `));
const scripts = ['docker', 'deploy'].flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.sh'))
    .map((name) => `${folder}/${name}`),
);
const has = (program: string) => spawnSync(program, ['--version']).error === undefined;

describe('Dockerfile.cuda', () => {
  test('copies from the checkout only files that exist and that the build context includes', () => {
    const context = readFileSync(join(root, 'Dockerfile.cuda.dockerignore'), 'utf8').split('\n');
    const sources = instructions('COPY')
      .filter((line) => !line.includes('--from='))
      .flatMap((line) => line.split(/\s+/).slice(1, -1));
    expect(sources).toContain('src');
    for (const source of sources) {
      expect(existsSync(join(root, source))).toBe(true);
      expect(context).toContain(`!${source}`);
    }
  });

  test('runs scripts that exist and may be run', () => {
    const run = instructions('RUN').flatMap((line) => line.match(/docker\/[\w-]+\.sh/g) ?? []);
    expect([...new Set(run)].sort()).toEqual(
      ['build', 'check', 'published-tensorflow', 'setup-tensorflow'].map((name) => `docker/${name}.sh`),
    );
    for (const script of run) accessSync(join(root, script), constants.X_OK);
  });

  test('takes stages that were named before', () => {
    const named = instructions('FROM').map((line) => / AS (\w+)$/.exec(line)![1]!);
    const at = (name: string) =>
      lines.findIndex((line) => line.startsWith('FROM ') && line.endsWith(` AS ${name}`));
    lines.forEach((line, i) => {
      const from = /--from=(\w+)/.exec(line)?.[1];
      if (from) {
        expect(named).toContain(from);
        expect(at(from)).toBeLessThan(i);
      }
    });
    expect(named.at(-1)).toBe('cuda12');
  });

  test('runs as an unprivileged user, with data and studies in volumes', () => {
    for (const target of ['cuda11', 'cuda12']) {
      const begin = lines.findIndex((line) => line.endsWith(` AS ${target}`));
      const next = lines.findIndex((line, i) => i > begin && line.startsWith('FROM '));
      const stage = lines.slice(begin, next < 0 ? undefined : next);
      expect(stage.find((line) => line.startsWith('USER '))).toMatch(/^USER [1-9]\d*$/);
      expect(stage).toContain('VOLUME ["/studies", "/home/tinygpt/.cache"]');
      expect(stage).toContain('ENTRYPOINT ["tinygpt-tune"]');
    }
  });
});

const bash = has('bash') ? describe : describe.skip;

bash('docker/ and deploy/', () => {
  test.each(scripts)('%s parses', (script) => {
    const { status, stderr } = spawnSync('bash', ['-n', join(root, script)], { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });

  (has('shellcheck') ? test : test.skip).each(scripts)('%s has nothing that shellcheck minds', (script) => {
    const { stdout } = spawnSync('shellcheck', ['-x', script], { cwd: root, encoding: 'utf8' });
    expect(stdout).toBe('');
  });

  test('a script reports what it is missing', () => {
    const run = (script: string, env: NodeJS.ProcessEnv, ...args: string[]) =>
      spawnSync('bash', [join(root, 'docker', script), ...args], {
        cwd: join(root, 'docker'),
        encoding: 'utf8',
        env,
      });
    const { PATH } = process.env;
    expect(run('build.sh', { PATH }).stderr).toMatch(/expected a checkout of tinygpt/);
    expect(run('setup-tensorflow.sh', { PATH }).stderr).toMatch(/expected TINYGPT_CACHE to name the folder/);
    expect(run('published-tensorflow.sh', { PATH }).stderr).toMatch(/expected the folder to install in/);
  });

  test.each([
    ['fails', 'exit 1'],
    ['leaves no addon', 'exit 0'],
  ])('published-tensorflow.sh names the other target when the install script %s', (_, ending) => {
    const folder = mkdtempSync(join(tmpdir(), 'tinygpt-published-'));
    try {
      // Stands in for npm: installs, and then cannot download.
      writeFileSync(join(folder, 'npm'), `#!/bin/sh\n[ "$1" = rebuild ] && ${ending}\nexit 0\n`, {
        mode: 0o755,
      });
      const { status, stderr } = spawnSync(
        'bash',
        [join(root, 'docker', 'published-tensorflow.sh'), join(folder, 'out')],
        { encoding: 'utf8', env: { PATH: `${folder}:${process.env.PATH}`, HOME: folder } },
      );
      expect(status).toBe(1);
      expect(stderr).toMatch(/^error: expected the install script .* use the target cuda12$/m);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
