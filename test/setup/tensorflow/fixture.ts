// A package index on localhost with a small TensorFlow in it, and a small tfjs-node: setup runs on them as on the
// real ones, including the compiler.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { writeZip } from '../wheels/zipFile.js';

/** Whether a C++ compiler is there; without one those tests are skipped. */
export const hasCompiler = spawnSync('g++', ['--version']).status === 0;

/** Compiles `TF_Version` into the two libraries. @returns their folder */
export function makeLibraries(folder: string, version: string): string {
  mkdirSync(folder, { recursive: true });
  const source = join(folder, 'tf.cc');
  writeFileSync(source, `extern "C" const char* TF_Version() { return "${version}"; }\n`);
  for (const library of ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2']) {
    const flags = ['-shared', '-fPIC', `-Wl,-soname,${library}`, '-o', join(folder, library), source];
    const { status, stderr } = spawnSync('g++', flags, { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
  }
  return folder;
}

/** Writes a wheel. @returns its path */
export function makeWheel(
  folder: string,
  libraries: string | undefined,
  { name = 'tensorflow_cpu', version = '2.21.0', metadata = '' } = {},
): string {
  mkdirSync(folder, { recursive: true });
  const path = join(
    folder,
    `${name}-${version}-cp312-cp312-manylinux_2_17_x86_64.manylinux_2_17_aarch64.whl`,
  );
  const members: Record<string, string | Uint8Array> = {
    [`${name}-${version}.dist-info/METADATA`]: `Name: ${name}\n${metadata}`,
    'tensorflow/include/tensorflow/c/c_api.h': 'extern "C" const char* TF_Version();\n',
    'tensorflow/include/absl/unneeded.h': '',
    'tensorflow/python/unneeded.py': '',
  };
  for (const library of ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'])
    if (libraries) members[`tensorflow/${library}`] = readFileSync(join(libraries, library));
  writeZip(path, members);
  return path;
}

/** A tfjs-node whose addon says TensorFlow's version, with one dependency, in `project`/node_modules. */
export function installPackage(project: string, name = '@tensorflow/tfjs-node'): string {
  const folder = join(project, 'node_modules', name);
  const files: Record<string, string> = {
    'package.json': JSON.stringify({
      name,
      version: '4.22.0',
      main: 'index.js',
      dependencies: { 'small-dep': '1' },
    }),
    'index.js': `require('small-dep'); module.exports = require('./lib/napi-v8/tfjs_binding.node');\n`,
    'binding/tfjs_backend.cc':
      '#include "tensorflow/c/c_api.h"\nconst char* version() { return TF_Version(); }\n',
    'binding/tfjs_binding.cc': `#include <node_api.h>
const char* version();
static napi_value Init(napi_env env, napi_value exports) {
  napi_value text;
  napi_create_string_utf8(env, version(), NAPI_AUTO_LENGTH, &text);
  napi_set_named_property(env, exports, "version", text);
  return exports;
}
NAPI_MODULE(NODE_GYP_MODULE_NAME, Init)
`,
    'deps/leftover': '',
    '../../small-dep/package.json': JSON.stringify({ name: 'small-dep', version: '1.0.0', main: 'index.js' }),
    '../../small-dep/index.js': '',
  };
  for (const [file, contents] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), contents);
  }
  return folder;
}

/** What a setup left, loaded in a process of its own: the version that the addon says. */
export async function loadedVersion(folder: string, name = '@tensorflow/tfjs-node'): Promise<string> {
  const script = `console.log(require(${JSON.stringify(join(folder, 'node_modules', name))}).version)`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return stdout.trim();
}

/** How the index misbehaves; it breaks off once. */
export type Manners = {
  refuse?: number;
  wrongHash?: boolean;
  noHash?: boolean;
  breakOff?: number;
  html?: boolean;
  /** Listed instead of the file's name. */
  filename?: string;
  /** Answered instead of a list. */
  listing?: string;
};

/** Serves wheels as a package index; `manners` may change between requests. */
export async function serveIndex(
  wheels: () => string[],
  manners: Manners,
): Promise<{ url: string; requests: string[]; close: () => void }> {
  const requests: string[] = [];
  const server: Server = createServer((request, response) => {
    const path = decodeURIComponent(request.url!);
    requests.push(path);
    const host = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const file = wheels().find((wheel) => path === `/files/${basename(wheel)}`);
    if (file) {
      if (manners.refuse) return response.writeHead(manners.refuse).end();
      const bytes = readFileSync(file);
      const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
      const range = { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` };
      response.writeHead(from > 0 ? 206 : 200, {
        'content-length': bytes.length - from,
        ...(from > 0 && range),
      });
      const { breakOff } = manners;
      if (breakOff) {
        delete manners.breakOff;
        response.write(bytes.subarray(from, breakOff), () => response.destroy());
        return response;
      }
      return response.end(bytes.subarray(from));
    }
    const project = /^\/simple\/([^/]+)\/$/.exec(path)?.[1];
    const files = wheels()
      .filter((wheel) => basename(wheel).split('-')[0]!.replaceAll('_', '-') === project)
      .map((wheel) => ({
        filename: manners.filename ?? basename(wheel),
        url: `${host}/files/${encodeURIComponent(basename(wheel))}`,
        size: statSync(wheel).size,
        hashes: manners.noHash
          ? {}
          : {
              sha256: manners.wrongHash
                ? '0'.repeat(64)
                : createHash('sha256').update(readFileSync(wheel)).digest('hex'),
            },
      }));
    if (!project || files.length === 0) return response.writeHead(404).end();
    if (!manners.html)
      return response
        .writeHead(200, { 'content-type': 'application/vnd.pypi.simple.v1+json' })
        .end(manners.listing ?? JSON.stringify({ files }));
    const links = files.map(
      ({ filename, hashes }) =>
        `<a href="../../files/${encodeURIComponent(filename)}#sha256=${hashes.sha256}">${filename}</a>`,
    );
    return response.writeHead(200, { 'content-type': 'text/html' }).end(links.join('\n'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/simple`, requests, close: () => server.close() };
}
