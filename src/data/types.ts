// The interfaces of the data layer: sources give documents, a tokenizer turns them into ids, shards keep the ids on
// disk, a loader packs them into batches.

/** Which part of a corpus: the model trains on `train`, val_bpb is measured on `val`. */
export type Split = 'train' | 'val';

/** A corpus. Documents come in a fixed order, in groups (a parquet row group, or a run of a text file). */
export interface DocumentSource {
  /** What the user sees, e.g. `bundled:16MB` or `stories.txt`. */
  readonly name: string;
  /** How documents are told apart, e.g. `split at blank lines`. */
  documentRule?(): Promise<string>;
  /** Changes whenever the documents would (content, split rule); names the cache entry. */
  fingerprint(): Promise<string>;
  /** Streams one split; memory stays bounded by a group. */
  groups(split: Split): AsyncIterable<string[]>;
}

/** Byte-level BPE with 4 reserved specials at the end of the vocabulary, the BOS first among them. */
export interface Tokenizer {
  /** Merges + 256 bytes + 4 specials. */
  readonly vocabSize: number;
  readonly bosId: number;
  /** Hex SHA-256 over pattern, ranks and specials. */
  readonly hash: string;
  /** [vocabSize] raw bytes in each token; 0 for specials. */
  readonly tokenBytes: Int32Array;
  /** Ids of a text; text that looks like a special is ordinary text. */
  encode(text: string): number[];
  /** Text of ids; invalid UTF-8 becomes U+FFFD, specials are omitted. */
  decode(ids: ArrayLike<number>): string;
  /** Raw bytes of ids; specials are omitted. */
  decodeBytes(ids: ArrayLike<number>): Uint8Array;
}

/** A packed batch of B rows of T tokens. */
export interface Batch {
  /** [B * T] int32, each row starts with BOS. */
  inputs: Int32Array;
  /** [B * T] int32, inputs shifted by one. */
  targets: Int32Array;
  /** Passes over the split, from 1, when this batch was packed. */
  epoch: number;
}

/** Position of a loader just after the last batch that `next` returned; JSON-safe. */
export type LoaderState = {
  epoch: number;
  /** Index of the next document to read into the buffer. */
  nextDocument: number;
  /** Document indices in the packing buffer, in order. */
  buffer: number[];
};

/** What a loader packs. */
export interface BatchOptions {
  /** Rows (B). */
  batchSize: number;
  /** Tokens in a row (T). */
  seqLen: number;
  /** Where to resume; default: the start. */
  state?: LoaderState;
  /**
   * Whether a pass ends before the next begins: every document is packed once a pass, and a row that the last ones do not fill
   * is dropped. Default false, as in the reference: passes overlap, so that documents of a small split wait several times.
   */
  separatePasses?: boolean;
}

/** Endless batches in the reference's packing order. */
export interface BatchLoader {
  next(): Promise<Batch>;
  state(): LoaderState;
  close(): Promise<void>;
}

/** A corpus prepared on disk: a tokenizer and two sets of token shards. */
export interface Dataset {
  /** Folder in the cache. */
  readonly folder: string;
  readonly name: string;
  /** Of the ids of both splits and the tokenizer: the same data, on whatever machine it was prepared. */
  readonly hash: string;
  readonly tokenizer: Tokenizer;
  /** Ids in each split, without the BOS that the loader puts before each document. */
  readonly tokens: { train: number; val: number };
  readonly documents: { train: number; val: number };
  /** How documents are told apart, e.g. `split at blank lines`; undefined where that does not vary. */
  readonly documentRule?: string | undefined;
  /** Raw UTF-8 bytes in each split. */
  readonly bytes: { train: number; val: number };
  /** Opens a loader, which packs on a worker thread ahead of the consumer. */
  loader(split: Split, options: BatchOptions): Promise<BatchLoader>;
}
