// Opens the corpus that the options of the command line, or of prepareDataset, describe.

import { expect } from '../../base/errors.js';
import { defaultCacheFolder } from '../../base/files.js';
import type { OnProgress } from '../../base/progress.js';
import { bundledSource, DEFAULT_MEGABYTES } from '../bundled/bundledSource.js';
import type { DocumentSource } from '../types.js';
import { documentsSource } from './documentsSource.js';
import { fileSource } from './fileSource.js';
import { hubSource } from './hubSource.js';

/** Which corpus: `bundled` (the default), `text`, `documents` or `hub`; the other fields belong to one of them. */
export interface SourceSpec {
  /** Megabytes of generated stories. */
  bundled?: number;
  /** A .txt, .jsonl or .parquet file, or a folder of them. */
  text?: string;
  /** The same for validation; else the last part of `text`. */
  valText?: string;
  /** Column of .parquet and field of .jsonl files that holds the text (default `text`). */
  column?: string;
  /** Texts in memory. */
  documents?: readonly string[];
  /** Texts for validation; else the last part of `documents`. */
  valDocuments?: readonly string[];
  /** A data set of the Hugging Face hub, see HUB_DATASETS. */
  hub?: string;
  /** How many training shards of the data set to use. */
  shards?: number;
}

/**
 * Opens a corpus. Downloads and most reading happen when its documents are requested.
 * @param context.cacheFolder where downloads are kept, in `hub` below it
 * @throws UsageError for options that do not go together, and for an unknown data set
 */
export async function openSource(
  spec: SourceSpec = {},
  context: { cacheFolder?: string; onProgress?: OnProgress; signal?: AbortSignal } = {},
): Promise<DocumentSource> {
  const { bundled, text, valText, column, documents, valDocuments, hub, shards } = spec;
  const named = Object.entries({ bundled, text, documents, hub }).filter(([, value]) => value !== undefined);
  expect(
    named.length <= 1,
    () => `Expected one of --bundled, --text and --hub, got --${named.map(([name]) => name).join(' and --')}`,
  );
  for (const [option, value] of Object.entries({ 'val-text': valText, column }))
    expect(
      value === undefined || text !== undefined,
      () => `Expected --${option} together with --text, got --${option} ${value} without it`,
    );
  expect(
    shards === undefined || hub !== undefined,
    () => `Expected --shards together with --hub, got --shards ${shards} without it`,
  );
  expect(
    valDocuments === undefined || documents !== undefined,
    () => 'Expected valDocuments together with documents, got them alone',
  );
  if (documents !== undefined) return documentsSource({ documents, valDocuments });
  if (text !== undefined) return fileSource({ text, valText, column, signal: context.signal });
  if (hub !== undefined)
    return hubSource({
      ...context,
      dataset: hub,
      shards,
      cacheFolder: context.cacheFolder ?? defaultCacheFolder(),
    });
  return bundledSource({ megabytes: bundled ?? DEFAULT_MEGABYTES });
}
