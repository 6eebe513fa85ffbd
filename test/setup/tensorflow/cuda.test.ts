// CUDA's libraries, simulated: no GPU is needed to tell which one is missing.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { hasDriver, missingLibraries, preloadCuda } from '../../../src/backend/tensorflow/cuda.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tinygpt-cuda-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A loader that has some libraries only. */
const having =
  (...libraries: string[]) =>
  (library: string) => {
    if (!libraries.includes(library)) throw new Error(`${library}: cannot open shared object file`);
  };

test('the missing library is named, by the generation of TensorFlow', () => {
  expect(missingLibraries('2.9.1', having())[0]).toBe('libcudart.so.11.0');
  const cuda12 = [
    'libcudart.so.12',
    'libcublas.so.12',
    'libcufft.so.11',
    'libcusolver.so.11',
    'libcusparse.so.12',
  ];
  expect(missingLibraries('2.21.0', having(...cuda12))).toEqual(['libcudnn.so.9']);
  expect(missingLibraries('2.15.0', having(...cuda12))).toEqual(['libcudnn.so.8']);
  expect(missingLibraries('2.21.0', having(...cuda12, 'libcudnn.so.9'))).toEqual([]);
});

test('the driver is present when libcuda loads', () => {
  expect(hasDriver(having('libcuda.so.1'))).toBe(true);
  expect(hasDriver(having())).toBe(false);
});

test('libraries are loaded after those that they need, and only those that TensorFlow opens', () => {
  const files = [
    'libcusolver.so.11',
    'libcublas.so.12',
    'libcublasLt.so.12',
    'libother.so.1',
    'libcudnn_adv.so.9',
  ];
  const needs: Record<string, string> = {
    'libcusolver.so.11': 'libcublas.so.12',
    'libcublas.so.12': 'libcublasLt.so.12',
  };
  mkdirSync(join(folder, 'lib'));
  for (const file of files) writeFileSync(join(folder, 'lib', file), '');
  const loaded: string[] = [];
  const failed = preloadCuda([join(folder, 'lib'), join(folder, 'absent')], (path) => {
    const needed = needs[basename(path)];
    if (needed && !loaded.includes(needed)) throw new Error(`${needed}: cannot open shared object file`);
    loaded.push(basename(path));
  });
  expect(failed).toEqual([]);
  expect(loaded).toEqual(['libcublasLt.so.12', 'libcublas.so.12', 'libcusolver.so.11']);
});

test('libraries that cannot be loaded are returned', () => {
  writeFileSync(join(folder, 'libcudnn.so.9'), '');
  expect(preloadCuda([folder], having())).toEqual([join(folder, 'libcudnn.so.9')]);
});
