// `tinygpt setup cuda`: NVRTC and cuBLASLt from NVIDIA's wheels, into a folder of the cache where the cuda backend
// looks. Python is not needed. All work happens in a temporary folder, which is renamed into place when both
// libraries have loaded once; downloads that were interrupted are kept and resumed by the next call.

import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { driverVersion } from '../../backend/cuda/device.js';
import { preparedFolder } from '../../backend/cuda/find.js';
import { loadDriver } from '../../backend/cuda/library.js';
import { EnvironmentError, UsageError } from '../../base/errors.js';
import { discard } from '../../base/files.js';
import { type HttpOptions, withoutCredentials } from '../../net/http.js';
import { runScript } from '../program.js';
import { buildFolder, removeFolder } from '../wheels/folder.js';
import { extractAll, fetchWheel, type SetupProgress } from '../wheels/install.js';
import { findWheel, indexUrl, localWheel, type Wheel } from '../wheels/pypi.js';
import {
  compareVersions,
  parseWheelName,
  type Requirement,
  satisfies,
  thisPlatform,
} from '../wheels/versions.js';
import { readZip } from '../wheels/zip.js';

/** The latest CUDA whose libraries the backend knows; later drivers run them too. */
const LATEST_MAJOR = 13;
const OLDEST_MAJOR = 12;
/** Approximate size of the extracted members. */
const UNPACKED = 1.4;

export interface CudaSetupOptions {
  /** CUDA's version, `13` or `12.4`; default: the latest that the driver runs. */
  release?: string | undefined;
  /** A folder of wheels to use instead of the package index. */
  from?: string | undefined;
  progress: SetupProgress;
  signal?: AbortSignal | undefined;
  http?: HttpOptions | undefined;
  /** Loads the libraries of a folder in a process of its own; resolves to their versions. Replaceable for tests. */
  check?: (folder: string) => Promise<string>;
}

/** What a setup would do. */
export interface CudaSetupPlan {
  folder: string;
  /** CUDA's version, e.g. `13.0`, or `13` where only that is known. */
  cuda: string;
  /** Where the wheels come from. */
  origin: string;
  /** NVRTC's and cuBLAS's, to download (`url`) or to read (`path`). */
  wheels: (Wheel & { path?: string })[];
  downloadBytes: number;
  /** Disk space needed during the setup, in bytes, approximately. */
  diskBytes: number;
}

/** `setup.json` in the prepared folder. */
interface CudaSetupRecord {
  format: 1;
  /** Wheels by file name. */
  wheels: string[];
}

const downloads = (): string => join(dirname(preparedFolder()), 'downloads');

/** Looks up what is to be done, without changing anything. @throws UsageError, EnvironmentError */
export async function planCudaSetup(options: CudaSetupOptions): Promise<CudaSetupPlan> {
  const { from, release, signal } = options;
  const cuda = release === undefined ? await driversCuda() : checkedRelease(release);
  const requirements = requirementsFor(cuda);
  const http = { ...options.http, signal };
  const wheels: CudaSetupPlan['wheels'] =
    from === undefined
      ? await Promise.all(requirements.map((choices) => firstWheel(choices, http)))
      : requirements.map((choices) => wheelIn(from, choices));
  const bytes = wheels.reduce((sum, { size = 0 }) => sum + size, 0);
  const downloadBytes = wheels.reduce((sum, { size = 0, path }) => sum + (path ? 0 : size), 0);
  return {
    folder: preparedFolder(),
    cuda,
    origin: from === undefined ? withoutCredentials(indexUrl()).replace(/\/$/, '') : resolve(from),
    wheels,
    downloadBytes,
    diskBytes: downloadBytes + UNPACKED * bytes,
  };
}

/** CUDA's version that the driver runs. @throws UsageError without a driver */
async function driversCuda(): Promise<string> {
  const driver = await loadDriver().catch((error: unknown) => {
    throw new UsageError(
      'Expected an NVIDIA driver, which determines the CUDA version, got none; for another machine name the version: --release 12 or 13',
      { cause: error },
    );
  });
  const [major, minor] = driverVersion(driver.api);
  if (major < OLDEST_MAJOR)
    throw new EnvironmentError(
      `The NVIDIA driver runs CUDA ${major}.${minor} at most, expected ${OLDEST_MAJOR}.0 or later; install driver 525 or later`,
    );
  return major > LATEST_MAJOR ? `${LATEST_MAJOR}` : `${major}.${minor}`;
}

function checkedRelease(release: string): string {
  const major = Number(/^(\d+)(\.\d+)?$/.exec(release)?.[1]);
  if (!(major >= OLDEST_MAJOR && major <= LATEST_MAJOR))
    throw new UsageError(
      `Expected --release to be a CUDA version from ${OLDEST_MAJOR} to ${LATEST_MAJOR}, e.g. 12.4 or 13, got ${release}`,
    );
  return release;
}

/**
 * The wheels to install, each a list of requirements of which the first that is available is used. NVRTC's version is CUDA's: the
 * newest that is no newer than the driver, which then also takes its intermediate code, else any of the same major version.
 * cuBLAS's versions are its own.
 */
function requirementsFor(cuda: string): Requirement[][] {
  const [major, minor] = cuda.split('.').map(Number) as [number, number?];
  const suffix = major === 12 ? '-cu12' : '';
  const any = `>=${major},<${major + 1}`;
  const nvrtc = `nvidia-cuda-nvrtc${suffix}`;
  const exact =
    minor === undefined ? [] : [{ project: nvrtc, specifier: `>=${major},<${major}.${minor + 1}` }];
  return [
    [...exact, { project: nvrtc, specifier: any }],
    [{ project: `nvidia-cublas${suffix}`, specifier: any }],
  ];
}

async function firstWheel(choices: readonly Requirement[], http: HttpOptions): Promise<Wheel> {
  for (const [i, requirement] of choices.entries())
    try {
      return await findWheel(requirement, thisPlatform(), http);
    } catch (error) {
      if (i === choices.length - 1 || http.signal?.aborted) throw error;
    }
  throw new Error('no requirement');
}

function wheelIn(from: string, choices: readonly Requirement[]): Wheel & { path: string } {
  if (!existsSync(from) || !statSync(from).isDirectory())
    throw new UsageError(`Expected --from to name a folder of wheels, got ${from}`);
  const { machine } = thisPlatform();
  const here = readdirSync(from)
    .filter((file) => parseWheelName(file)?.platforms.some((tag) => tag.endsWith(machine)))
    .map((file) => localWheel(join(resolve(from), file)))
    .sort((a, b) => compareVersions(b.version, a.version));
  for (const { project, specifier } of choices) {
    const found = here.find((wheel) => wheel.project === project && satisfies(wheel.version, specifier));
    if (found) return found;
  }
  const { project, specifier } = choices.at(-1)!;
  throw new UsageError(
    `Expected a wheel of ${project} ${specifier} in ${from}; fill it with: pip download --no-deps '${project}${specifier}' -d ${from}`,
  );
}

/** Versions of what was set up before from the same wheels; undefined when there is none, or when it no longer loads. */
export async function existingCudaSetup(
  { folder, wheels }: CudaSetupPlan,
  check: (folder: string) => Promise<string> = loadLibraries,
): Promise<string | undefined> {
  try {
    const record = JSON.parse(readFileSync(join(folder, 'setup.json'), 'utf8')) as CudaSetupRecord;
    const same = record.format === 1 && `${record.wheels}` === `${wheels.map(({ file }) => file)}`;
    return same ? await check(folder) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Carries out a plan.
 * @returns the versions of the libraries that now load
 * @throws EnvironmentError with the reason; nothing has changed then, except that downloads are kept
 */
export async function carryOutCuda(plan: CudaSetupPlan, options: CudaSetupOptions): Promise<string> {
  const { progress, signal, check = loadLibraries } = options;
  const { folder, wheels } = plan;
  const versions = await buildFolder(folder, { bytes: plan.diskBytes, signal }, async (work) => {
    mkdirSync(downloads(), { recursive: true });
    for (const wheel of wheels) {
      const path =
        wheel.path ?? (await fetchWheel(wheel, downloads(), { progress, http: { ...options.http, signal } }));
      const entries = (await readZip(path)).filter(({ name }) => isNeeded(name));
      const targetOf = (name: string) =>
        join(work, /\.so\.[\d.]+$/.test(name) ? basename(name) : `${wheel.project}-${basename(name)}`);
      const targets = await extractAll(wheel, path, entries, targetOf, { progress, signal });
      if (!targets.some((target) => /lib(nvrtc|cublasLt)\.so\.\d+$/.test(target)))
        throw new EnvironmentError(
          `${wheel.file} contains none of the libraries; choose another CUDA with --release`,
        );
    }
    const record: CudaSetupRecord = { format: 1, wheels: wheels.map(({ file }) => file) };
    writeFileSync(join(work, 'setup.json'), `${JSON.stringify(record, null, 2)}\n`);
    progress.note('Loading them once');
    return check(work);
  });
  discard(downloads());
  return versions;
}

/** Removes what was set up or downloaded. @returns whether there was anything */
export function undoCudaSetup(): boolean {
  const removed = [removeFolder(preparedFolder()), removeFolder(downloads())];
  return removed.includes(true);
}

/** The libraries themselves (`alt` variants and cuBLAS's older interface are not used) and licences. */
const isNeeded = (name: string): boolean =>
  /^nvidia\/[^/]+\/lib\/lib(nvrtc|nvrtc-builtins|cublasLt)\.so\.[\d.]+$/.test(name) ||
  /\.dist-info\/.*licen[cs]e/i.test(name);

/** Loads the libraries in a new process, as a run does, and compiles a kernel. @throws EnvironmentError with the reason */
async function loadLibraries(folder: string): Promise<string> {
  const backend = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'backend', 'cuda');
  const from = (file: string) => JSON.stringify(pathToFileURL(join(backend, file)).href);
  const script = `const { loadNvrtc, loadCublasLt } = await import(${from('library.js')});
    const { versionOf } = await import(${from('compile.js')});
    const { compileProgram } = await import(${from('program.js')});
    const { versionText } = await import(${from('products.js')});
    process.on('uncaughtException', (error) => { console.log('\\nfailed: ' + error.message); process.exit(1); });
    const [nvrtc, cublas] = [await loadNvrtc(${LATEST_MAJOR}), await loadCublasLt(${LATEST_MAJOR})];
    compileProgram(nvrtc.api, { name: 'k.cu', text: 'extern "C" __global__ void k(float *x) { *x = 1; }',
      flags: ['--gpu-architecture=sm_90'], machineCode: true });
    console.log('\\nNVRTC ' + versionOf(nvrtc.api).join('.') + ', cuBLASLt ' + versionText(cublas.api.cublasLtGetVersion()));`;
  const { code, answer } = await runScript(script, { TINYGPT_CUDA_LIBRARIES: folder });
  if (code === 0 && answer.startsWith('NVRTC')) return answer;
  const reason = answer.startsWith('failed: ') ? answer.slice(8) : `the process ended with ${code}`;
  throw new EnvironmentError(`The downloaded libraries do not load: ${reason}`);
}
