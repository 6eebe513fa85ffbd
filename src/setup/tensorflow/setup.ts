// `tinygpt setup tensorflow`: builds the package's addon against a current TensorFlow, in its own folder of the cache. The
// work is done in a temporary folder, which is renamed when the result has loaded once: a failure or an interruption
// changes nothing.

import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { addonOf, findInstalled } from '../../backend/tensorflow/find.js';
import {
  preparedFolder,
  preparedPackage,
  readSetup,
  type SetupRecord,
  VARIANTS,
  type Variant,
} from '../../backend/tensorflow/prepared.js';
import { EnvironmentError } from '../../base/errors.js';
import { sha256, syncFile } from '../../base/files.js';
import { runScript } from '../program.js';
import { buildFolder, removeFolder } from '../wheels/folder.js';
import { extractAll, fetchWheel, type SetupProgress } from '../wheels/install.js';
import type { Wheel } from '../wheels/pypi.js';
import { readZip } from '../wheels/zip.js';
import { compileAddon, findCompiler, findNodeHeaders } from './compile.js';
import { copyPackage, fetchNodeHeaders, fetchPackage, PACKAGE_VERSION } from './package.js';
import { LIBRARIES, resolveSource, type SourceOptions, type TensorflowSource } from './sources.js';

export interface SetupOptions extends Omit<SourceOptions, 'gpu'> {
  variant: Variant;
  progress: SetupProgress;
  /** Loads the result in a process of its own; resolves to its description. Replaceable for tests. */
  check?: (folder: string) => Promise<string>;
}

/** What a setup would do. */
export interface SetupPlan {
  folder: string;
  source: TensorflowSource;
  /** Bytes to download, as far as the index gives sizes. */
  downloadBytes: number;
  /** Disk space needed during the setup, in bytes, approximately. */
  diskBytes: number;
  compiler: string;
  /** Folder of an installed package, or undefined: npm fetches it. */
  installed: string | undefined;
}

/** Extracted size relative to the wheels'. */
const UNPACKED = { tensorflow: 3.2, cuda: 1.6 };
/** The package with its dependencies. */
const PACKAGE_BYTES = 320e6;

/** Looks up everything and checks what is needed, without changing anything. @throws UsageError, EnvironmentError */
export async function planSetup(options: SetupOptions): Promise<SetupPlan> {
  const { variant, signal } = options;
  const compiler = await findCompiler(signal);
  const source = await resolveSource({ ...options, gpu: variant === 'gpu' });
  const wheels = source.kind === 'wheels' ? source.wheels : [];
  const sizes = (some: typeof wheels) => some.reduce((sum, { size = 0 }) => sum + size, 0);
  const downloadBytes = sizes(wheels.filter(({ path }) => path === undefined));
  return {
    folder: preparedFolder(variant),
    source,
    downloadBytes,
    diskBytes:
      Math.max(0, ...wheels.map(({ path, size = 0 }) => (path ? 0 : size))) +
      UNPACKED.tensorflow * sizes(wheels.slice(0, 1)) +
      UNPACKED.cuda * sizes(wheels.slice(1)) +
      PACKAGE_BYTES,
    compiler,
    installed: findInstalled(VARIANTS[variant]),
  };
}

/** A working setup that was made before; undefined when there is none, or when it no longer loads. */
export async function existingSetup(
  variant: Variant,
  check: (folder: string) => Promise<string> = loadOnce,
): Promise<{ record: SetupRecord; description: string } | undefined> {
  const folder = preparedFolder(variant);
  const record = readSetup(folder);
  if (!record) return undefined;
  try {
    return { record, description: await check(folder) };
  } catch {
    return undefined;
  }
}

/**
 * Carries out a plan.
 * @returns the description of the TensorFlow that now loads
 * @throws EnvironmentError with the reason; nothing has changed then
 */
export async function carryOut(plan: SetupPlan, options: SetupOptions): Promise<string> {
  const { variant, progress, signal, check = loadOnce } = options;
  const { folder, source, compiler } = plan;
  return buildFolder(folder, { bytes: plan.diskBytes, signal }, async (work) => {
    const name = VARIANTS[variant];
    progress.note(
      plan.installed
        ? `${name}: copied from ${plan.installed}`
        : `${name} ${PACKAGE_VERSION}: fetched by npm`,
    );
    if (plan.installed) copyPackage(name, plan.installed, work);
    else await fetchPackage(name, work, signal);
    const site = source.kind === 'installed' ? source.folder : join(work, 'site-packages');
    if (source.kind === 'wheels')
      for (const wheel of source.wheels) await unpackWheel(wheel, site, work, options);
    const packageFolder = preparedPackage(work, name);
    progress.note(`Compiling the addon with ${compiler}`);
    await buildAddon(compiler, packageFolder, site, source.kind === 'wheels', work, signal);
    rmSync(join(work, 'node-api'), { recursive: true, force: true });
    if (source.kind === 'wheels')
      rmSync(join(site, 'tensorflow', 'include'), { recursive: true, force: true });
    const addon = addonOf(packageFolder);
    syncFile(addon);
    const record: SetupRecord = {
      format: 1,
      package: name,
      packageVersion: PACKAGE_VERSION,
      tensorflow: source.version,
      source: source.origin,
      libraries: pathFrom(work, join(site, 'tensorflow')),
      cuda: variant === 'gpu' ? cudaFoldersOf(site).map((path) => pathFrom(work, path)) : [],
      built: new Date().toISOString(),
      addonHash: sha256(readFileSync(addon)),
    };
    writeFileSync(join(work, 'setup.json'), `${JSON.stringify(record, null, 2)}\n`);
    progress.note('Loading it once');
    return check(work);
  });
}

/** Removes a variant's folder. @returns whether there was one */
export const undoSetup = (variant: Variant): boolean => removeFolder(preparedFolder(variant));

const pathFrom = (work: string, path: string): string =>
  path.startsWith(`${work}/`) ? relative(work, path) : path;

/** Whether a member of a wheel is needed: libraries, the C API's headers, CUDA's tools, licences. */
function isNeeded(name: string): boolean {
  if (name.startsWith('tensorflow/include/'))
    return /^tensorflow\/include\/(tensorflow\/c|tensorflow\/core\/platform|tsl\/platform|xla\/tsl\/c)\/.*\.h$/.test(
      name,
    );
  if (name.startsWith('tensorflow/')) return LIBRARIES.some((library) => name === `tensorflow/${library}`);
  if (name.startsWith('nvidia/')) return !/\/(include|__pycache__)\/|\.py$/.test(name);
  return /\.dist-info\/.*licen[cs]e/i.test(name);
}

async function unpackWheel(
  wheel: Wheel & { path?: string },
  site: string,
  work: string,
  { progress, signal, http }: SetupOptions,
): Promise<void> {
  const path = wheel.path ?? (await fetchWheel(wheel, work, { progress, http: { ...http, signal } }));
  const entries = (await readZip(path)).filter(({ name }) => isNeeded(name));
  if (/^tensorflow(-cpu)?$/.test(wheel.project))
    for (const library of LIBRARIES)
      if (!entries.some(({ name }) => name === `tensorflow/${library}`))
        throw new EnvironmentError(
          `${wheel.file} contains no ${library}; use a wheel for Linux of TensorFlow 2.13 or newer`,
        );
  const targets = await extractAll(wheel, path, entries, (name) => join(site, name), { progress, signal });
  for (const target of targets) if (/\/bin\//.test(target)) chmodSync(target, 0o755);
  if (wheel.path === undefined) rmSync(path);
}

async function buildAddon(
  compiler: string,
  packageFolder: string,
  site: string,
  inside: boolean,
  work: string,
  signal?: AbortSignal,
): Promise<void> {
  const nodeHeaders = findNodeHeaders() ?? (await fetchNodeHeaders(join(work, 'node-api'), signal));
  const tensorflow = join(site, 'tensorflow');
  const fromAddon = relative(join(packageFolder, 'lib', 'napi-v8'), tensorflow);
  await compileAddon(
    compiler,
    {
      packageFolder,
      nodeHeaders,
      tensorflowHeaders: join(tensorflow, 'include'),
      libraries: LIBRARIES.map((library) => join(tensorflow, library)),
      searchPath: inside ? `$ORIGIN/${fromAddon}` : tensorflow,
    },
    signal,
  );
}

/** `nvidia/<library>/lib` of a site-packages folder. */
function cudaFoldersOf(site: string): string[] {
  const nvidia = join(site, 'nvidia');
  if (!existsSync(nvidia)) return [];
  return readdirSync(nvidia)
    .map((name) => join(nvidia, name, 'lib'))
    .filter((folder) => existsSync(folder))
    .sort();
}

/** Loads a prepared folder in a new process, the way that a run does. @throws EnvironmentError with the reason */
async function loadOnce(folder: string): Promise<string> {
  const driver = pathToFileURL(
    join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'backend', 'tensorflow', 'driver.js'),
  ).href;
  const script = `const { driver } = await import(${JSON.stringify(driver)});
    console.log('\\n' + JSON.stringify(await driver.probe()));`;
  const { code, answer, last } = await runScript(script, { TINYGPT_TFJS: folder });
  if (code !== 0 || !answer.startsWith('{'))
    throw new EnvironmentError(
      `The addon that was built does not load: ${last || `the process ended with ${code}`}`,
    );
  const probe = JSON.parse(answer) as {
    available: boolean;
    reason?: string;
    info?: { version: string; device: string };
  };
  if (!probe.available || !probe.info)
    throw new EnvironmentError(`The addon that was built does not load: ${probe.reason}`);
  return `${probe.info.version} on ${probe.info.device}`;
}
