// The data layer's public face: sources, tokenizer, prepared datasets and their loaders.

export { openDataset } from './dataset.js';
export { endLoaderThread, type LoaderSettings } from './loader.js';
export { type PrepareOptions, prepareDataset } from './prepare.js';
export { createStreamDecoder, createTokenizer, type StreamDecoder } from './tokenizer.js';
export { loadTokenizer, readTokenizerFile, saveTokenizer, writeTokenizerFile } from './tokenizerFiles.js';
export { type TrainTokenizerOptions, trainTokenizer } from './tokenizerTrain.js';
export * from './types.js';
