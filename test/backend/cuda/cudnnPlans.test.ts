// The real cuDNN takes attention's and the MLP's graphs: it makes plans for GPUs that are not here. Needs cuDNN 9.10 or later
// with cuBLASLt and NVRTC of its CUDA, in $TINYGPT_CUDNN (folders separated by colons), else where the backend looks: skipped by
// name elsewhere.

import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import {
  ATTRIBUTE,
  DATA,
  HEURISTICS,
  KIND,
  POINTWISE,
  REDUCE,
  TYPE,
} from '../../../src/backend/cuda/cudnn/constants.js';
import { candidates } from '../../../src/backend/cuda/find.js';
import { sdpaWorkspace } from '../../../src/backend/cuda/footprint.js';
import { type Answer, MLPS, SHAPES } from '../../cuda/cudnnPlans.js';
import { compilerPath } from '../../cuda/device/device.js';

const { TINYGPT_CUDNN, ...environment } = process.env;
const env = { ...environment, ...(TINYGPT_CUDNN && { TINYGPT_CUDA_LIBRARIES: TINYGPT_CUDNN }) };
const found = candidates('libcudnn', env).find(({ path }) => path.includes('/'))?.path;
const beside = ['libcublasLt', 'libnvrtc'].every((library) =>
  candidates(library as 'libnvrtc', env).some(({ path }) => path.includes('/')),
);
const header = found && join(dirname(dirname(found)), 'include', 'cudnn_graph.h');

const missing = !found
  ? 'no libcudnn.so.9'
  : !beside
    ? 'cuDNN needs cuBLASLt and NVRTC'
    : compilerPath()
      ? undefined
      : 'no C++ compiler';

(missing ? describe.skip : describe)(`plans of the real cuDNN${missing ? ` (${missing})` : ''}`, () => {
  test('there is one for every shape, with the workspace that is counted', async () => {
    const script = fileURLToPath(new URL('../../cuda/cudnnPlans.js', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [script], { env });
    const answers: Answer[] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(answers).toHaveLength(2 * (Object.keys(SHAPES).length + 2 + 3 * Object.keys(MLPS).length));
    const counted = (shape: string, work: Answer['work']) => {
      const sizes = SHAPES[shape];
      if (!sizes || work === 'forward') return 0;
      return sdpaWorkspace(sizes.B, sizes.T, sizes.H, sizes.G, sizes.D);
    };
    for (const { chip, shape, work, workspaceBytes } of answers) {
      expect({ chip, shape, work, has: workspaceBytes !== undefined }).toMatchObject({ has: true });
      expect(workspaceBytes! - counted(shape, work)).toBeLessThanOrEqual(1024);
    }
  });
});

const noHeader = header && existsSync(header) ? undefined : 'no cudnn_graph.h';
(noHeader ? describe.skip : describe)(`constants of cuDNN${noHeader ? ` (${noHeader})` : ''}`, () => {
  test.each([
    ['BACKEND_$_DESCRIPTOR', KIND],
    ['TYPE_$', TYPE],
    ['ATTR_$', ATTRIBUTE],
    ['DATA_$', DATA],
    ['POINTWISE_$', POINTWISE],
    ['REDUCE_TENSOR_$', REDUCE],
    ['HEUR_MODE_$', HEURISTICS],
  ] as const)('CUDNN_%s are those of the header', (pattern, table) => {
    const text = readFileSync(header!, 'utf8');
    for (const [name, value] of Object.entries(table)) {
      const full = `CUDNN_${pattern.replace('$', name)}`;
      expect({
        full,
        value: Number(text.match(new RegExp(`\\b${full}\\s+(?:\\w+\\s+)*=\\s*(\\d+)`))?.[1]),
      }).toEqual({
        full,
        value,
      });
    }
  });
});
