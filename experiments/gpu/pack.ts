// Packs the proof (proof.ts) for a machine with an NVIDIA GPU but without Node or network: `npm run build && node
// build/experiments/gpu/pack.js --out FOLDER`, then there `sh FOLDER/run.sh`. The folder holds Node, the built project with the
// packages that it loads, kernels that NVIDIA's NVRTC has compiled ahead for the GPU, and prepared data, in less than 60 MB. The
// machine brings its driver, NVRTC and cuBLASLt (as PyTorch does; cuDNN where it is there), glibc and libstdc++.
//
// The kernels are those of the proof itself, which runs here once on a driver that computes nothing (test/cuda/device).

import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { scriptOptions } from '../../bench/scriptOptions.js';
import { candidates, companions } from '../../src/backend/cuda/find.js';
import { EnvironmentError, expect } from '../../src/base/errors.js';
import { reportError } from '../../src/cli/cli.js';
import { flag, text } from '../../src/cli/options.js';
import { prepareDataset } from '../../src/data/index.js';
import { emulatedLibraries } from '../../test/cuda/device/device.js';
import { lossConfig } from './sizes.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const MOST_BYTES = 60e6;

/** A GPU as the driver that computes nothing shows it (FAKE_DEVICE of test/cuda/device/cuda.cpp). */
const GPU = 'NVIDIA H200;9;0;132;232448;150754820096';

/** Dependencies that nothing here loads: reports, the wasm backend, storages and servers of studies. */
const LEFT_OUT = [
  'echarts',
  '@tensorflow/tfjs-backend-wasm',
  '@grpc/grpc-js',
  '@grpc/proto-loader',
  '@hono/node-server',
  '@modelcontextprotocol/server',
  '@redis/client',
  'hono',
  'zod',
];
/** Packages of which one file is loaded, out of tens of megabytes. */
const ONE_FILE = /^@tensorflow\//;
/** What a package brings besides what Node loads. */
const UNNEEDED =
  /\.(map|d\.[cm]?ts|md|cc|cpp|c|hh|h|S|asm|inc|tsbuildinfo)$|\/(tests?|docs?|benchmarks?|examples|vendor|musl_x64)(\/|$)/;

const RUN = `#!/bin/sh
# The proof of tinygpt's cuda backend: sh run.sh [--minutes 10] [--out FOLDER] [--python FILE] [--parts NAME,NAME] [--tiny]
here=$(cd "$(dirname "$0")" && pwd)
export PATH="\${PATH:-/opt/conda/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}"
work="\${PROOF_WORK:-$here/work}"
mkdir -p "$work" 2>/dev/null || work=$(mktemp -d)
[ -x "$work/node" ] || { gzip -dc "$here/node.gz" >"$work/node" && chmod +x "$work/node"; } || exit 1
[ -d "$work/kernels" ] || cp -r "$here/kernels" "$work/kernels" || exit 1
chmod -R u+rwX,go-rwx "$work/kernels" # others must not be able to write what is loaded
export TINYGPT_CUDA_KERNELS="$work/kernels" TINYGPT_CACHE="$work/cache"
case " $* " in *" --out "*) ;; *) set -- --out "$here/results" "$@" ;; esac
exec "$work/node" --no-warnings "$here/app/build/experiments/gpu/proof.js" --data "$here/data" "$@"
`;

const packageOf = (folder: string): { main?: string; dependencies: Record<string, string> } => ({
  dependencies: {},
  ...(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { main?: string }),
});

/** What the packages within a package depend on. */
function nestedDependencies(folder: string): string[] {
  const inside = join(folder, 'node_modules');
  if (!existsSync(inside)) return [];
  return readdirSync(inside)
    .flatMap((name) =>
      name.startsWith('@') ? readdirSync(join(inside, name)).map((n) => join(name, n)) : name,
    )
    .map((name) => join(inside, name))
    .filter((path) => existsSync(join(path, 'package.json')))
    .flatMap((path) => [...Object.keys(packageOf(path).dependencies), ...nestedDependencies(path)]);
}

/** Copies what of node_modules the project loads, dependencies included. */
function copyPackages(to: string): void {
  const done = new Set<string>();
  const { dependencies: all } = packageOf(ROOT);
  const queue = [...Object.keys(all), `@koromix/koffi-linux-${process.arch}`];
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
    const from = join(ROOT, 'node_modules', name);
    const typesOnly = name.startsWith('@types/') || name === '@webgpu/types';
    if (done.has(name) || typesOnly || LEFT_OUT.includes(name) || !existsSync(from)) continue;
    done.add(name);
    const { main, dependencies } = packageOf(from);
    queue.push(...Object.keys(dependencies), ...nestedDependencies(from));
    const target = join(to, name);
    if (ONE_FILE.test(name)) {
      mkdirSync(dirname(join(target, main!)), { recursive: true });
      for (const file of ['package.json', main!]) copyFileSync(join(from, file), join(target, file));
      continue;
    }
    const isNeeded = (path: string) => !UNNEEDED.test(path.slice(from.length));
    cpSync(from, target, { recursive: true, filter: isNeeded });
  }
}

function copyProject(app: string): void {
  copyFileSync(join(ROOT, 'package.json'), join(app, 'package.json'));
  const plain = (path: string) => !/\.(map|d\.ts|tsbuildinfo)$/.test(path);
  for (const folder of [
    'build/src',
    'build/experiments',
    'build/bench',
    'kernels',
    'data',
    'test/golden/gpt',
  ])
    cpSync(join(ROOT, folder), join(app, folder), { recursive: true, filter: plain });
  const peer = join('experiments', 'gpu', 'peer.py');
  mkdirSync(dirname(join(app, peer)), { recursive: true });
  copyFileSync(join(ROOT, peer), join(app, peer));
  copyPackages(join(app, 'node_modules'));
}

/** Node without its symbols, packed. */
function packNode(to: string): void {
  const copy = join(mkdtempSync(join(tmpdir(), 'tinygpt-node-')), 'node');
  copyFileSync(process.execPath, copy);
  chmodSync(copy, 0o755);
  spawnSync('strip', [copy]); // smaller where it is installed
  writeFileSync(to, gzipSync(readFileSync(copy), { level: 9 }));
  rmSync(dirname(copy), { recursive: true });
}

/** A folder with the driver that computes nothing, its cuBLASLt, and NVIDIA's NVRTC. */
function dryLibraries(nvrtc: string | undefined): string {
  const found = nvrtc ?? candidates('libnvrtc').find(({ path }) => path.includes('/'))?.path;
  expect(
    found !== undefined && existsSync(found),
    () =>
      `Expected NVIDIA's NVRTC (npx tinygpt setup cuda --release 12, or --nvrtc FILE), got ${found ?? 'none'}`,
  );
  const folder = mkdtempSync(join(tmpdir(), 'tinygpt-dry-'));
  const emulated = emulatedLibraries();
  for (const file of ['libcuda.so.1', 'libcublasLt.so.12', 'emulated-libcuda.so.1'])
    symlinkSync(join(emulated, file), join(folder, file));
  const major = Number(/\.so\.(\d+)/.exec(found)?.[1]);
  for (const path of [found, ...companions({ path: found, major, where: 'here' })])
    symlinkSync(resolve(path), join(folder, basename(path)));
  return folder;
}

/** Runs the packed proof on the driver that computes nothing, so that each of its kernels is compiled. */
function compileAhead(out: string, nvrtc: string | undefined, tiny: boolean): void {
  const scratch = dryLibraries(nvrtc);
  const words = ['--data', join(out, 'data'), '--out', join(scratch, 'results'), '--minutes', '60'];
  const parts = ['--parts', 'checks,golden,speed,attention,losses,trials,graph'];
  execFileSync(
    process.execPath,
    [
      '--no-warnings',
      join(out, 'app', 'build', 'experiments', 'gpu', 'proof.js'),
      ...words,
      ...parts,
      ...(tiny ? ['--tiny'] : []),
    ],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        PATH: '',
        TINYGPT_CUDA_LIBRARIES: scratch,
        TINYGPT_CUDA_KERNELS: join(out, 'kernels'),
        TINYGPT_CACHE: join(scratch, 'cache'),
        // The real cuDNN, where there is one, does not know this driver.
        TINYGPT_CUDA_CUDNN: 'off',
        FAKE_DRY: '1',
        FAKE_DEVICE: GPU,
        PROOF_PATIENCE: '20',
      },
    },
  );
  rmSync(scratch, { recursive: true });
}

function bytesIn(path: string): number {
  const stats = lstatSync(path);
  if (!stats.isDirectory()) return stats.size;
  return readdirSync(path).reduce((sum, name) => sum + bytesIn(join(path, name)), 0);
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

async function pack(): Promise<void> {
  const args = await scriptOptions({
    out: text('folder to make', { default: join(ROOT, 'proof') }),
    nvrtc: text("NVIDIA's libnvrtc (default: where the backend finds it)", { placeholder: 'file' }),
    tiny: flag('compile the kernels of tiny sizes only, to try the script itself', { default: false }),
  });
  const out = resolve(args.out);
  expect(
    !existsSync(out) || readdirSync(out).length === 0,
    () => `Expected --out to name a folder that is new or empty, got ${out}`,
  );
  mkdirSync(join(out, 'app'), { recursive: true });
  const say = (line: string) => process.stderr.write(`${line}\n`);
  say('Copying the project and its packages');
  copyProject(join(out, 'app'));
  say('Packing Node');
  packNode(join(out, 'node.gz'));
  say('Preparing data');
  for (const tiny of [false, true]) {
    const { vocabSize } = lossConfig(tiny);
    await prepareDataset({ bundled: tiny ? 0.2 : 2, vocabSize, cacheFolder: join(out, 'data') });
  }
  say('Compiling the kernels ahead; it takes minutes');
  mkdirSync(join(out, 'kernels'));
  compileAhead(out, args.nvrtc, args.tiny);
  const kernels = readdirSync(join(out, 'kernels')).length;
  if (kernels === 0) throw new EnvironmentError('No kernel was compiled; see the messages above');
  writeFileSync(join(out, 'run.sh'), RUN, { mode: 0o755 });
  const sizes = readdirSync(out).map((name) => `${name} ${megabytes(bytesIn(join(out, name)))}`);
  const total = bytesIn(out);
  process.stdout.write(
    `${sizes.join(', ')}; ${kernels} kernels\n${megabytes(total)} in ${out}\nThere: sh run.sh\n`,
  );
  if (total >= MOST_BYTES)
    throw new EnvironmentError(
      `Expected the folder to have less than ${megabytes(MOST_BYTES)}, got ${megabytes(total)}`,
    );
}

try {
  await pack();
} catch (error) {
  process.exitCode = reportError(error);
}
