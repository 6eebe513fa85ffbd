// The data layer's public face: sources, tokenizer, prepared datasets and their loaders.

export { bundledSource } from './bundled/bundledSource.js';
export { openDataset } from './dataset.js';
export { fileSource } from './fileSource.js';
export { HUB_DATASETS, hubSource } from './hubSource.js';
export { endLoaderThread, type LoaderSettings } from './loader.js';
export { openSource, type SourceSpec } from './openSource.js';
export { type PrepareOptions, prepareDataset } from './prepare.js';
export { createStreamDecoder, createTokenizer, type StreamDecoder } from './tokenizer.js';
export { loadTokenizer, readTokenizerFile, saveTokenizer, writeTokenizerFile } from './tokenizerFiles.js';
export { type TrainTokenizerOptions, trainTokenizer } from './tokenizerTrain.js';
export * from './types.js';
