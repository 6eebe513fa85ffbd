// What the dashboard's server tells the page.

import type { RunLimits } from './budget.js';
import type { PageStudy, Point, StudyHead, TrialRow } from './pageData.js';

/** A study that was found. */
export type StudyEntry = {
  key: string;
  name: string;
  /** Folder or storage. */
  where: string;
  trials: number;
  running: number;
  best: number | null;
  /** Whether it takes actions, which runs of tinygpt train do not. */
  actions: boolean;
  /** Why it cannot be read. */
  error?: string;
};

/** A trial that runs now, by its last reported step. */
export type RunningState = {
  trial: number;
  /** Share of the budget used. */
  progress: number | null;
  step: number | null;
  loss: number | null;
  /** Training loss over the share of the budget used. */
  curve: readonly Point[];
  tokensPerSecond: number | null;
  mfuPercent: number | null;
  memoryBytes: number | null;
  secondsLeft: number | null;
  /** Whether its process is known to be gone. */
  lost: boolean;
};

/** Shares are of 1; null where this machine does not tell. */
export type MachineState = {
  cpu: number | null;
  cores: number;
  memoryUsed: number;
  memoryTotal: number;
  gpus: readonly {
    name: string;
    use: number;
    memoryUsed: number;
    memoryTotal: number;
    watts: number | null;
  }[];
};

/** What passes with time. */
export type LiveState = {
  /** The server's clock, milliseconds since the epoch. */
  time: number;
  running: readonly RunningState[];
  machine: MachineState;
  /** The limits of the run that works on the study, where it recorded them. */
  limits: RunLimits | null;
  /** Trials that count against the limit. */
  evaluated: number;
  /** Asked to stop after the running trials. */
  stopping: boolean;
};

export type Message =
  | { kind: 'list'; studies: readonly StudyEntry[] }
  | ({ kind: 'study'; key: string } & PageStudy)
  | { kind: 'update'; key: string; head?: StudyHead; rows: readonly (readonly [number, TrialRow])[] }
  | { kind: 'live'; live: LiveState };
