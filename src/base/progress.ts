// How long operations report progress; showing it is the command line's.

/** Receives progress of a long operation: `done` of `total` (total undefined when unknown). */
export type OnProgress = (progress: { stage: string; done: number; total?: number; unit: string }) => void;
