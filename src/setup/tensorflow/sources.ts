// Where TensorFlow comes from: wheels of an index, wheels on disk, or an installed Python environment.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { EnvironmentError, UsageError } from '../../base/errors.js';
import { type HttpOptions, withoutCredentials } from '../../net/http.js';
import { findWheel, indexUrl, localWheel, requirementsOf, type Wheel } from '../wheels/pypi.js';
import {
  compareVersions,
  parseWheelName,
  requirementsOfExtra,
  satisfies,
  thisPlatform,
} from '../wheels/versions.js';
import { extract, readZip } from '../wheels/zip.js';

/** TensorFlow and, for a GPU, what it needs of CUDA. */
export type TensorflowSource =
  /** Wheels to download (`url`) or to read (`path`), TensorFlow's first. */
  | { kind: 'wheels'; version: string; origin: string; wheels: (Wheel & { path?: string })[] }
  /** A site-packages folder that is used where it is. */
  | { kind: 'installed'; version: string; origin: string; folder: string };

/** Files of a Python environment or a wheel that hold TensorFlow's C API. */
export const LIBRARIES = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'] as const;

export interface SourceOptions {
  gpu: boolean;
  /** A wheel, a folder of wheels, a Python environment, or a site-packages folder. */
  from?: string | undefined;
  /** A release of TensorFlow; default the newest. */
  release?: string | undefined;
  signal?: AbortSignal | undefined;
  /** How the index is asked. */
  http?: HttpOptions | undefined;
}

/** Looks up what is to be used; downloads nothing. @throws UsageError, EnvironmentError */
export async function resolveSource({
  gpu,
  from,
  release,
  signal,
  http: others,
}: SourceOptions): Promise<TensorflowSource> {
  const http = { ...others, signal };
  if (from === undefined) return fromIndex(gpu, release, http);
  if (release !== undefined)
    throw new UsageError('Expected --release or --from, got both; what --from names has its own release');
  if (!existsSync(from))
    throw new UsageError(`Expected --from to name a wheel or a folder, got ${from}, which does not exist`);
  const path = resolve(from);
  if (statSync(path).isFile()) return fromWheel(path, gpu, http);
  const wheels = readdirSync(path).filter((file) => parseWheelName(file));
  if (wheels.length > 0) return fromFolderOfWheels(path, wheels, gpu);
  return fromEnvironment(path);
}

async function fromIndex(
  gpu: boolean,
  release: string | undefined,
  http: HttpOptions,
): Promise<TensorflowSource> {
  const platform = thisPlatform();
  const index = indexUrl();
  // Wheels for arm64 come without CUDA under the plain name too.
  const project = gpu || platform.machine !== 'x86_64' ? 'tensorflow' : 'tensorflow-cpu';
  const specifier = release === undefined ? '' : `==${release}`;
  const tensorflow = await findWheel({ project, specifier }, platform, { ...http, index });
  const cuda = gpu ? await requirementsOf(tensorflow, 'and-cuda', http) : [];
  const others = await Promise.all(
    cuda.map((requirement) => findWheel(requirement, platform, { ...http, index })),
  );
  return {
    kind: 'wheels',
    version: tensorflow.version,
    origin: withoutCredentials(index).replace(/\/$/, ''),
    wheels: [tensorflow, ...others],
  };
}

const isTensorflow = ({ project }: Wheel): boolean => /^tensorflow(-cpu)?$/.test(project);

async function fromWheel(path: string, gpu: boolean, http: HttpOptions): Promise<TensorflowSource> {
  const wheel = localWheel(path);
  if (!isTensorflow(wheel))
    throw new UsageError(`Expected a wheel of tensorflow or tensorflow-cpu, got ${wheel.file}`);
  const cuda = gpu ? requirementsOfExtra(await readMetadata(path), 'and-cuda') : [];
  if (gpu && cuda.length === 0)
    throw new UsageError(
      `Expected a wheel with CUDA for --gpu, got ${wheel.file}; take the one of tensorflow, not tensorflow-cpu`,
    );
  const platform = thisPlatform();
  const others = await Promise.all(cuda.map((requirement) => findWheel(requirement, platform, http)));
  return { kind: 'wheels', version: wheel.version, origin: path, wheels: [wheel, ...others] };
}

async function readMetadata(path: string): Promise<string> {
  const entry = (await readZip(path)).find(({ name }) => /^[^/]+\.dist-info\/METADATA$/.test(name));
  if (!entry) throw new EnvironmentError(`${path} is not a wheel: it has no METADATA`);
  const folder = mkdtempSync(join(tmpdir(), 'tinygpt-wheel-'));
  try {
    await extract(path, entry, join(folder, 'METADATA'));
    return readFileSync(join(folder, 'METADATA'), 'utf8');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function fromFolderOfWheels(folder: string, files: string[], gpu: boolean): Promise<TensorflowSource> {
  const wheels = files.map((file) => localWheel(join(folder, file)));
  const newest = (candidates: (Wheel & { path: string })[]) =>
    candidates.sort((a, b) => compareVersions(a.version, b.version)).at(-1);
  const tensorflow = newest(
    wheels.filter((wheel) => isTensorflow(wheel) && !(gpu && wheel.project === 'tensorflow-cpu')),
  );
  if (!tensorflow)
    throw new UsageError(`Expected a wheel of tensorflow in ${folder}, got ${files.slice(0, 3).join(', ')}`);
  const cuda = gpu ? requirementsOfExtra(await readMetadata(tensorflow.path), 'and-cuda') : [];
  const others = cuda.map(({ project, specifier }) => {
    const wheel = newest(wheels.filter((w) => w.project === project && satisfies(w.version, specifier)));
    if (!wheel)
      throw new UsageError(
        `Expected a wheel of ${project} ${specifier} in ${folder}; fill it with: pip download 'tensorflow[and-cuda]' -d ${folder}`,
      );
    return wheel;
  });
  return { kind: 'wheels', version: tensorflow.version, origin: folder, wheels: [tensorflow, ...others] };
}

function fromEnvironment(folder: string): TensorflowSource {
  const pythons = existsSync(join(folder, 'lib')) ? readdirSync(join(folder, 'lib')) : [];
  const candidates = [
    folder,
    resolve(folder, '..'),
    ...pythons
      .filter((name) => name.startsWith('python3'))
      .map((name) => join(folder, 'lib', name, 'site-packages')),
  ];
  const site = candidates.find((candidate) => existsSync(join(candidate, 'tensorflow', LIBRARIES[0])));
  if (!site)
    throw new UsageError(
      `Expected a wheel, a folder of wheels or a Python environment with TensorFlow, got ${folder}, which has no ` +
        `tensorflow/${LIBRARIES[0]} (TensorFlow 2.13 and newer have it)`,
    );
  const info = readdirSync(site).flatMap(
    (name) => /^tensorflow(?:_cpu)?-([\d.]+)\.dist-info$/.exec(name)?.[1] ?? [],
  );
  return { kind: 'installed', version: info[0] ?? 'of unknown version', origin: folder, folder: site };
}
