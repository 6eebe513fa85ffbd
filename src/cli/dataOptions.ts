// The options that name a corpus, shared by train, prepare and tune.

import { defaultCacheFolder } from '../base/files.js';
import { usableThreads } from '../base/threads.js';
import {
  type Dataset,
  openSource,
  prepareDataset,
  readTokenizerFile,
  type SourceSpec,
} from '../data/index.js';
import { group, integer, number, text, type ValuesOf } from './options.js';
import { byteSize, counted, type ProgressLine, thousands } from './terminal.js';

/** Options of a corpus. */
export const DATA_OPTIONS = {
  ...group('Data:', {
    bundled: number('MB of generated stories (the default data, 16)', { above: 0 }),
    text: text('.txt, .jsonl or .parquet file, or a folder of them', { placeholder: 'path' }),
    valText: text('validation text (default: the last part of --text)', { placeholder: 'path' }),
    column: text('parquet column or jsonl field of the text', { placeholder: 'name' }),
    hub: text('dataset on the Hugging Face Hub to download', { placeholder: 'owner/name' }),
    shards: integer('training shards to download (climbmix)', { min: 1 }),
    tokenizer: text('tokenizer.json or tiktoken file to use instead of training one', {
      placeholder: 'file',
    }),
    cacheFolder: text('where prepared data is kept (default $TINYGPT_CACHE or ~/.cache/tinygpt)', {
      placeholder: 'folder',
    }),
  }),
  threads: integer('threads for preparing data and for the native backend', { min: 1 }),
};

export type DataArguments = ValuesOf<typeof DATA_OPTIONS>;

/** The part of the arguments that names the corpus. */
export function sourceSpec(args: DataArguments): SourceSpec {
  const { bundled, text, valText, column, hub, shards } = args;
  const given = Object.entries({ bundled, text, valText, column, hub, shards });
  return Object.fromEntries(given.filter(([, value]) => value !== undefined)) as SourceSpec;
}

/** Opens and prepares the corpus, showing progress. */
export async function openData(
  spec: SourceSpec,
  vocabSize: number,
  args: Pick<DataArguments, 'cacheFolder' | 'threads' | 'tokenizer'>,
  progress: ProgressLine,
  signal?: AbortSignal,
): Promise<Dataset> {
  const cacheFolder = args.cacheFolder ?? defaultCacheFolder();
  const onProgress = (p: { stage: string; done: number; total?: number; unit: string }) =>
    progress.update(() => {
      const count = (n: number) => (p.unit === 'bytes' ? byteSize(n) : `${thousands(n)} ${p.unit}`);
      return `${p.stage}: ${count(p.done)}${p.total ? ` of ${count(p.total)}` : ''}`;
    });
  const common = { cacheFolder, onProgress, ...(signal && { signal }) };
  const threads = usableThreads(args.threads);
  if (args.threads !== undefined && args.threads > threads)
    progress.note(`Using ${counted(threads, 'thread')} (one per core) instead of ${args.threads}`);
  const source = await openSource(spec, common);
  const data = await prepareDataset({
    ...common,
    source,
    vocabSize,
    threads,
    ...(args.tokenizer !== undefined && { tokenizer: readTokenizerFile(args.tokenizer) }),
    onNote: (line: string) => progress.note(line),
  });
  progress.end();
  return data;
}

/** One line about a prepared corpus. */
export function describeData(data: Dataset): string {
  const { tokens, bytes, documents } = data;
  const rule = data.documentRule ? ` (${data.documentRule})` : '';
  const ratio = (bytes.train / tokens.train).toFixed(2);
  return (
    `Data ${data.name}: ${counted(documents.train, 'document')}${rule}, ${counted(tokens.train, 'token')} ` +
    `(${ratio} bytes each, ${thousands(data.tokenizer.vocabSize)} ids), validation ${counted(tokens.val, 'token')}`
  );
}
