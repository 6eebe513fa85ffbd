// Addons that `tinygpt setup tensorflow` built: a folder each for CPU and GPU under the cache, complete in itself, so
// that the project's own node_modules stays as npm left it. setup/ builds them.

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { defaultCacheFolder } from '../../base/files.js';

/** Variants, the preferred first, and the package of each. */
export const VARIANTS = { gpu: '@tensorflow/tfjs-node-gpu', cpu: '@tensorflow/tfjs-node' } as const;
export type Variant = keyof typeof VARIANTS;

/** `setup.json` in a prepared folder. */
export interface SetupRecord {
  format: 1;
  package: string;
  packageVersion: string;
  /** Version of TensorFlow. */
  tensorflow: string;
  /** Where TensorFlow came from: an index, a wheel, a folder. */
  source: string;
  /** Folder of TensorFlow's libraries; relative to the prepared folder when they lie inside. */
  libraries: string;
  /** Folders of CUDA libraries, likewise. */
  cuda: string[];
  /** When, ISO 8601. */
  built: string;
  /** SHA-256 of the addon; records of earlier versions lack it. */
  addonHash?: string;
}

/** Where all of them are. */
export const preparedRoot = (): string => join(defaultCacheFolder(), 'tensorflow');

/** Where a variant is or would be. */
export const preparedFolder = (variant: Variant): string => join(preparedRoot(), variant);

/** The record of a prepared folder; undefined where there is none. */
export function readSetup(folder: string): SetupRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(join(folder, 'setup.json'), 'utf8')) as SetupRecord;
    return record.format === 1 ? record : undefined;
  } catch {
    return undefined;
  }
}

/** The package inside a prepared folder. */
export const preparedPackage = (folder: string, name: string): string => join(folder, 'node_modules', name);

/** Folders of CUDA libraries of a prepared folder, absolute. */
export const cudaFolders = (folder: string, { cuda }: SetupRecord): string[] =>
  cuda.map((path) => resolve(folder, path));
