// The data layer's public face: sources, tokenizer, prepared datasets and their loaders.

export { endLoaderThread, type LoaderSettings } from './batches/loader.js';
export { bundledSource } from './bundled/bundledSource.js';
export { openDataset } from './dataset.js';
export { type PrepareOptions, prepareDataset } from './prepare.js';
export { documentsSource } from './sources/documentsSource.js';
export { fileSource } from './sources/fileSource.js';
export { HUB_DATASETS, hubSource } from './sources/hubSource.js';
export { openSource, type SourceSpec } from './sources/openSource.js';
export { loadTokenizer, readTokenizerFile, saveTokenizer, writeTokenizerFile } from './tokenizer/files.js';
export { createStreamDecoder, createTokenizer, type StreamDecoder } from './tokenizer/tokenizer.js';
export { type TrainTokenizerOptions, trainTokenizer } from './tokenizer/train.js';
export * from './types.js';
