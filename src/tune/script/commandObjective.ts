// Any command as an objective: a trial's parameters reach it by placeholders, environment variables, or constants replaced
// in a private copy of its script; its value is read from what it prints. How it fails is recorded: its exit code, a
// signal, memory, time, a metric that is missing or NaN.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect, hasCode, TrialFailedError, UsageError } from '../../base/errors.js';
import { makeFolder } from '../../base/files.js';
import { readTextFile } from '../../base/textFile.js';
import { expandExponents } from '../space.js';
import type { Objective } from '../studyTypes.js';
import { type RunningTrial, TrialPruned } from '../trial.js';
import type { Choice, Params } from '../types.js';
import { checkPlaceholders, fillIn, placeholdersIn, splitCommand } from './commandLine.js';
import { constantsIn, patchConstants } from './constants.js';
import { type Language, languageOf } from './lexer.js';
import { metricReader, stepReader } from './metric.js';
import { lineSplitter, openBoundedLog } from './output.js';
import { copyProject, intoCopy, type Project, pathWithin, readProject } from './privateCopy.js';
import { type ProcessEnd, runProcess } from './processes.js';
import { isSeed } from './propose.js';

export type CommandOptions = {
  /** A command line, which is split without a shell, or its words. Placeholders: `{name}`, `{seed}`, `{trial}`, `{params}`. */
  command: string | readonly string[];
  /** A regular expression, or the name of a value in the last JSON line or in a line `name: value` or `name value`. */
  metric: string | RegExp;
  /** Names of further numbers in what it prints, which are recorded with the trial. */
  record?: readonly string[] | undefined;
  /** Names of the space's parameters; each must reach the command. */
  parameters: readonly string[];
  /** Names that placeholders may have too, of parameters that no trial has: they become an empty text. */
  unset?: readonly string[] | undefined;
  /** A script whose constants are replaced, for parameters without a placeholder: Python, TypeScript, JavaScript, JSON. */
  patch?: string | undefined;
  /** Environment variables, with placeholders. */
  env?: Readonly<Record<string, string>> | undefined;
  /** Seconds after which a trial is ended and fails. */
  timeLimit?: number | undefined;
  /** A regular expression for intermediate values: groups `step` and `value`. */
  intermediate?: string | RegExp | undefined;
  /** For `{seed}`, the variable TINYGPT_SEED and a constant SEED of the script. */
  seed?: number | undefined;
  /** Logs and private copies of trials: `N.log` and `N/`. */
  folder: string;
  /** CUDA_VISIBLE_DEVICES. */
  gpu?: string | undefined;
  /** Parameters that trials do not have. */
  fixed?: Params | undefined;
  /** Where the command runs; the current folder unless set. */
  cwd?: string | undefined;
  onLine?: ((line: string) => void) | undefined;
};

/** What this process was told about itself: a command that is tinygpt again must not take it for its own. */
const OURS = /^TINYGPT_TUNE_/;
/** Variables with folders of modules. */
const SEARCHED = ['PYTHONPATH', 'NODE_PATH'];
/** Names of a script's seed, which is set to that of the study. */
const SEEDS = ['SEED', 'seed', 'RANDOM_SEED'];
/** A parameter that reaches the command as a seed: `--seed {x}`, `--seed={x}`, SEED={x} in the environment. */
const AS_SEED = /(?:\s-\S*seed\s|seed=)\{([^{}]+)\}/gi;
/** Messages of PyTorch, JAX, TensorFlow, CUDA, C++, Rust, Node, the system, and our own. */
const OUT_OF_MEMORY = new RegExp(
  [
    /out[ _]of[ _](?:\w+[ _])?memory|OutOfMemory|\bOOM\b|MemoryError|bad_alloc|RESOURCE_EXHAUSTED/,
    /(?:can(?:no|')t|could not|unable to|failed to) allocate .{0,80}?(?:memory|bytes|[KMGT]i?B\b)/,
    /memory allocation of \d+ bytes failed|buffer allocation failed|CU(?:BLAS|DNN)_STATUS_ALLOC_FAILED/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
);
/** Lines before the end in which the reason of a failure is looked for; JAX lists buffers below its message. */
const LAST_LINES = 200;
/** Of a line that is kept, and of one that a message shows; PyTorch's message is longer than the latter. */
const KEPT_CHARACTERS = 4000;
const SHOWN_CHARACTERS = 500;

type Script = { path: string; text: string; language: Language; project: Project; seed: string | null };

/**
 * An objective that runs a command.
 * @throws UsageError for a parameter that is a seed or reaches the command in no way, an unknown placeholder, a constant
 *   that the script does not define once
 */
export function commandObjective(options: CommandOptions): Objective {
  const { command, metric, fixed = {}, seed = 1, env = {} } = options;
  const words = typeof command === 'string' ? splitCommand(command) : [...command];
  expect(words.length > 0, () => 'Expected a command to run, got an empty one');
  const cwd = resolve(options.cwd ?? '.');
  const script = options.patch === undefined ? null : openScript(options.patch, cwd, options.folder);
  const names = [...new Set([...options.parameters, ...Object.keys(fixed)])];
  refuseSeeds(names, [...words, ...Object.entries(env).map((variable) => variable.join('='))]);
  const templates = [...words, ...Object.values(env)];
  const others = ['seed', 'trial', 'params', ...(options.unset ?? []).flatMap(namesOf)];
  checkPlaceholders(templates, [...new Set([...names.flatMap(namesOf), ...others])]);
  const patched = patchedNames(names, templates, script, options.patch);
  for (const each of [metric, ...(options.record ?? [])]) metricReader(each);
  if (options.intermediate !== undefined) stepReader(options.intermediate);

  return async (trial) => {
    const params: Params = { ...fixed, ...trial.params };
    const values = valuesOf(params, { seed, trial: trial.number });
    makeFolder(options.folder);
    let folder = cwd;
    let tidy = () => {};
    let run = words.map((word) => fillIn(word, values));
    let variables = Object.fromEntries(
      Object.entries(env).map(([name, text]) => [name, fillIn(text, values)]),
    );
    if (script) {
      folder = resolve(options.folder, String(trial.number));
      const constants = Object.fromEntries(
        patched.filter((name) => Object.hasOwn(values, name)).map((name) => [name, values[name]!]),
      );
      if (script.seed !== null) constants[script.seed] = seed;
      const text = patchConstants(script.text, script.language, constants, options.patch!);
      tidy = copyProject(script.project, folder, { path: script.path, text });
      const lead = (word: string) => intoCopy(word, { root: script.project.root, cwd, copy: folder });
      run = run.map(lead);
      // Where modules are looked for, too: those of the copy have the constants.
      const inherited = SEARCHED.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []));
      variables = Object.fromEntries(
        [...inherited, ...Object.entries(variables)].map(([name, text]) => [name, lead(text!)]),
      );
    }
    const log = join(options.folder, `${trial.number}.log`);
    trial.setUserAttr('log', log);
    const environment = {
      PYTHONUNBUFFERED: '1', // else Python keeps what it prints to a pipe until its end, and loses it when it is killed
      ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !OURS.test(name))),
      TINYGPT_SEED: `${seed}`,
      TINYGPT_TRIAL: `${trial.number}`,
      ...(options.gpu !== undefined && { CUDA_VISIBLE_DEVICES: options.gpu }),
      ...variables,
    };
    try {
      return await evaluate(trial, run, { ...options, cwd: folder, env: environment, log });
    } finally {
      tidy();
    }
  };
}

/** Whether the command is told the seed; else repeated runs only show its own noise. */
export function takesSeed(options: Pick<CommandOptions, 'command' | 'patch' | 'env'>): boolean {
  const words = typeof options.command === 'string' ? splitCommand(options.command) : options.command;
  if (placeholdersIn([...words, ...Object.values(options.env ?? {})]).has('seed')) return true;
  if (options.patch === undefined) return false;
  const text = readTextFile(options.patch, '--patch');
  return seedConstant(text, languageOf(options.patch)) !== null;
}

function openScript(patch: string, cwd: string, folder: string): Script {
  const text = readTextFile(patch, '--patch');
  const bytes = readFileSync(patch);
  // The decoder drops a byte order mark.
  const whole = bytes[0] === 0xef && bytes[1] === 0xbb ? `\uFEFF${text}` : text;
  const language = languageOf(patch);
  const within = pathWithin(cwd, patch);
  const root = within === null ? dirname(resolve(patch)) : cwd;
  const path = within ?? pathWithin(root, patch)!;
  return {
    path,
    text: whole,
    language,
    project: readProject(root, folder, path),
    seed: seedConstant(text, language),
  };
}

function seedConstant(text: string, language: Language): string | null {
  const seed = constantsIn(text, language).find(
    ({ name, literal }) => SEEDS.includes(name) && literal.kind === 'number' && literal.integer,
  );
  return seed?.name ?? null;
}

/** A parameter, also without its prefix: log2_X as X. */
const namesOf = (parameter: string): string[] => [parameter, parameter.replace(/^log2_/, '')];

/** The values that placeholders may name. */
function valuesOf(params: Params, more: { seed: number; trial: number }): Record<string, Choice> {
  const expanded = expandExponents(params);
  return { ...more, params: JSON.stringify(expanded), ...params, ...expanded };
}

/** @throws UsageError for a parameter that is a seed by its name, or by the option or variable that it is written to */
function refuseSeeds(parameters: readonly string[], templates: readonly string[]): void {
  const asSeed = [...templates.join(' ').matchAll(AS_SEED)].map((match) => match[1]!);
  const seed = parameters.find((name) => isSeed(name) || namesOf(name).some((one) => asSeed.includes(one)));
  if (seed !== undefined)
    throw new UsageError(
      `Expected hyperparameters to search, got ${seed}, which is a seed: a better value on another seed is luck, no improvement; take it out of the space. ` +
        'The study sets {seed}, TINYGPT_SEED and a constant SEED of the script to its --seed, and to fresh ones for a confirmation',
    );
}

/** The parameters that are constants of the script. @throws UsageError for one that reaches the command in no way */
function patchedNames(
  parameters: readonly string[],
  templates: readonly string[],
  script: Script | null,
  file: string | undefined,
): string[] {
  const placed = placeholdersIn(templates);
  const rest = parameters.filter(
    (name) => !placed.has('params') && !namesOf(name).some((one) => placed.has(one)),
  );
  const constants = rest.map((name) => namesOf(name)[1]!);
  if (script) {
    // Refuses what the script does not define, before a trial runs.
    const zeros = Object.fromEntries(constants.map((name) => [name, 0]));
    patchConstants(script.text, script.language, zeros, file!);
  } else if (rest.length > 0)
    throw new UsageError(
      `Parameter ${rest[0]} does not reach the command; write {${rest[0]}} in it, set an environment variable with --env ${rest[0]}={${rest[0]}}, or name the script that defines it with --patch`,
    );
  return constants;
}

async function evaluate(
  trial: RunningTrial,
  words: readonly string[],
  options: CommandOptions & { cwd: string; env: NodeJS.ProcessEnv; log: string },
): Promise<number> {
  const read = metricReader(options.metric);
  const others = (options.record ?? []).map((name) => ({
    name,
    read: metricReader(name),
    value: null as unknown,
  }));
  const readStep = options.intermediate === undefined ? null : stepReader(options.intermediate);
  const pruned = new AbortController();
  const last: string[] = [];
  let value: number | string | null = null;
  let failure: unknown = null;
  const readLine = (line: string) => {
    value = read(line) ?? value;
    for (const other of others) other.value = other.read(line) ?? other.value;
    if (line.trim() !== '') last.push(line.trim().slice(-KEPT_CHARACTERS));
    if (last.length > LAST_LINES) last.shift();
    options.onLine?.(line);
    const step = pruned.signal.aborted ? null : readStep?.(line);
    if (!step) return;
    trial.report(step.step, step.value);
    if (trial.shouldPrune()) pruned.abort();
  };
  const onLine = (line: string) => {
    try {
      readLine(line);
    } catch (error) {
      // Thrown on below: here it would reach nobody but the stream.
      failure ??= error;
      pruned.abort();
    }
  };
  const log = openBoundedLog(options.log);
  const lines = { stdout: lineSplitter(onLine), stderr: lineSplitter(onLine) };
  const kills = memoryKills();
  let end: ProcessEnd;
  try {
    end = await runProcess(words, {
      cwd: options.cwd,
      env: options.env,
      timeLimit: options.timeLimit,
      signal: AbortSignal.any([trial.signal, pruned.signal]),
      onOutput: (chunk, from) => {
        log.write(chunk);
        lines[from].write(chunk);
      },
    });
  } catch (error) {
    if (hasCode(error, 'ENOENT')) throw new Error(`Cannot run ${words[0]}: there is no such program`);
    if (hasCode(error, 'EACCES')) throw new Error(`Cannot run ${words[0]}: it is not executable`);
    throw error;
  } finally {
    const unwritten = log.close();
    if (unwritten !== null) trial.setUserAttr('log_error', unwritten);
  }
  for (const splitter of Object.values(lines)) splitter.end();
  if (failure !== null) throw failure;
  if (trial.signal.aborted) throw new TrialFailedError('interrupted', 'The study was stopped');
  if (pruned.signal.aborted) throw new TrialPruned();
  const said =
    last.length > 0 ? `; it last printed: ${last.at(-1)!.slice(-SHOWN_CHARACTERS)}` : '; it printed nothing';
  const memory = last.findLast((line) => OUT_OF_MEMORY.test(line))?.slice(0, SHOWN_CHARACTERS);
  if (end.stopped === 'timeout')
    throw new TrialFailedError('timeout', `Ended after the time limit of ${options.timeLimit} s${said}`);
  const isKilled = end.signal === 'SIGKILL' || end.code === 137;
  if (isKilled && memoryKills() > kills)
    throw new TrialFailedError('out_of_memory', `Killed by the kernel for want of memory${said}`);
  if (end.signal !== null) {
    if (memory) throw new TrialFailedError('out_of_memory', memory);
    throw new TrialFailedError('signal', `Ended by ${end.signal}${said}`);
  }
  if (end.code !== 0) {
    if (memory) throw new TrialFailedError('out_of_memory', memory);
    throw new TrialFailedError('exit_code', `Exit code ${end.code}${said}`);
  }
  for (const other of others) if (typeof other.value === 'number') trial.setUserAttr(other.name, other.value);
  if (typeof value === 'number' && !Number.isNaN(value)) return value;
  if (value !== null && typeof value === 'number')
    throw new TrialFailedError('nan', `The metric is NaN${said}`);
  if (value === null && memory) throw new TrialFailedError('out_of_memory', memory);
  const what =
    value === null
      ? `No line has the metric ${options.metric} (${HOW_READ})`
      : `The metric is no number but ${value}`;
  throw new TrialFailedError('metric_missing', `${what}${said}`);
}

const HOW_READ = 'a key of a JSON line, a line "NAME: value", or a regular expression';

/** Where the kernel counts the processes that it has killed for want of memory: in a container, and on any Linux. */
const MEMORY_KILLS = ['/sys/fs/cgroup/memory.events', '/proc/vmstat'];

/** Processes that the kernel has killed for want of memory; 0 where it does not tell. */
export function memoryKills(files: readonly string[] = MEMORY_KILLS): number {
  const counts = files
    .filter((path) => existsSync(path))
    .map((path) => /^oom_kill (\d+)/m.exec(readFileSync(path, 'utf8')));
  return Number(counts.find((count) => count !== null)?.[1] ?? 0);
}
