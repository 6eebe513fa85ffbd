// Records in the cache folder which backends passed the self-test, per machine and version. Failures are not
// recorded: what fixes it (a driver, a library) need not change any version that is seen here.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { defaultCacheFolder, sha256, writeFileAtomic } from '../../base/files.js';
import type { BackendInfo } from '../types.js';

/** Raised when the self-test's cases change. */
const SELF_TEST_VERSION = '2';

/** True when this backend passed the test with these extra cases on this machine before. */
export function wasPassed(info: BackendInfo, checks: readonly string[]): boolean {
  return existsSync(passFile(info, checks));
}

/** Records a pass; without a writable cache the test simply runs again next time. */
export function rememberPass(info: BackendInfo, checks: readonly string[]): void {
  try {
    writeFileAtomic(passFile(info, checks), `${JSON.stringify({ ...info, checks })}\n`);
  } catch {}
}

function passFile(info: BackendInfo, checks: readonly string[]): string {
  const { name, precision, device, version } = info;
  const { node, v8 } = process.versions;
  const machine = [process.platform, process.arch, device, node, v8];
  const key = sha256(SELF_TEST_VERSION, name, precision, version, ...machine, ...checks);
  return join(defaultCacheFolder(), 'self-test', `${name}-${key.slice(0, 16)}.json`);
}
