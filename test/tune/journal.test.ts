import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { describeStudies } from '../../experiments/optuna-interop/describe.js';
import { ourGoldenLines } from '../../experiments/optuna-interop/ourGolden.js';
import { EnvironmentError, UsageError } from '../../src/base/errors.js';
import { formatJson, parseJson } from '../../src/base/json.js';
import { randomStream } from '../../src/base/random.js';
import { int } from '../../src/tune/distributions.js';
import { distributionFromJson } from '../../src/tune/journal/decode.js';
import { longestLine } from '../../src/tune/journal/lines.js';
import { formatDate, parseDate, studyAttrEntry } from '../../src/tune/journal/records.js';
import { createReplay } from '../../src/tune/journal/replay.js';
import { fileStorage } from '../../src/tune/storage/fileStorage.js';
import { readJournal } from '../../src/tune/storage/index.js';
import { decodeHolder, encodeHolder, withLock } from '../../src/tune/storage/lock.js';
import { identify } from '../../src/tune/storage/worker.js';
import { createStudy } from '../../src/tune/study.js';
import { defaults, space, uniform } from './problem.js';
import { scratchFolder } from './scratch.js';

const fresh = scratchFolder();
const root = new URL('../../../', import.meta.url);
const golden = (name: string) => fileURLToPath(new URL(`test/golden/journal/${name}`, root));

/** A journal of these lines; objects become records of one worker. */
function journal(lines: (object | string)[], end = '\n'): string {
  const path = fresh('journal.log');
  mkdirSync(dirname(path), { recursive: true });
  const text = lines.map((line) =>
    typeof line === 'string' ? line : formatJson({ worker_id: 'w', ...line }),
  );
  writeFileSync(path, text.length === 0 ? '' : text.join('\n') + end);
  return path;
}

const create = { op_code: 0, study_name: 's', directions: [1] };
const trial = { op_code: 4, study_id: 0, datetime_start: '2026-11-23T12:00:00.000000+00:00' };
const done = { datetime_complete: '2026-11-23T12:01:00.000000+00:00' };

function messageFrom(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(EnvironmentError);
    return (error as Error).message;
  }
  throw new Error('Expected an error, got none');
}

describe('JSON with bare tokens', () => {
  test('NaN and infinities survive at any depth, and strings that look like them stay strings', () => {
    const value = {
      a: [Number.NaN, Infinity, -Infinity, 1e-7, -0.5, null, true],
      'NaN "Infinity" \\': 'NaN, -Infinity: "NaN" \\"',
      '#NaN': ['#NaN', '##Infinity', '#'],
      text: 'é\u2028\ud83d\ude00\n',
    };
    const text = formatJson(value);
    expect(text).toContain('[NaN,Infinity,-Infinity,1e-7,');
    expect(text).not.toContain('\n');
    expect(parseJson(text)).toEqual(value);
  });

  test('text that is not JSON is refused', () => {
    for (const text of ['', '{"a":nan}', '{"a":NaN', '[Infinityx]', 'NaNNaN'])
      expect(() => parseJson(text)).toThrow(SyntaxError);
  });

  test('values that JSON cannot represent are refused, undefined members are dropped', () => {
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    for (const value of [cycle, 1n, { f: () => 1 }])
      expect(() => formatJson(value)).toThrow(/JSON cannot hold|serialize a BigInt/);
    expect(formatJson({ a: undefined, b: [undefined], c: new Date(0) })).toBe(
      '{"b":[null],"c":"1970-01-01T00:00:00.000Z"}',
    );
  });
});

describe('golden logs', () => {
  test('a log of Optuna reads as Optuna itself reads it', () => {
    const expected = parseJson(readFileSync(golden('optuna.json'), 'utf8'));
    expect(describeStudies(readJournal(golden('optuna.log')))).toEqual(expected);
  });

  test('our records are written byte for byte as in the golden log that Optuna loads', () => {
    expect(ourGoldenLines()).toEqual(readFileSync(golden('tinygpt.log'), 'utf8').trimEnd().split('\n'));
  });

  test('our log reads back with every state, value and attribute', () => {
    const [night, up] = readJournal(golden('tinygpt.log'));
    expect(night!.name).toBe('night "é"');
    expect(night!.systemAttrs).toEqual({ 'study:metric_names': ['val_bpb'] });
    expect(night!.trials.map((t) => t.state)).toEqual([
      'complete',
      'pruned',
      'fail',
      'fail',
      'complete',
      'running',
      'waiting',
    ]);
    expect(night!.trials.map((t) => t.value)).toEqual([1.125, 2.5, null, null, -Infinity, null, null]);
    expect(night!.trials[1]!.params).toEqual({
      matrix_lr: 0.04,
      warmdown: 0.15,
      depth: 8,
      log2_batch: 5,
      pattern: null,
    });
    expect([...night!.trials[1]!.intermediate]).toEqual([
      [10, NaN],
      [20, Infinity],
      [30, 2.5],
    ]);
    expect(night!.trials[0]!.userAttrs.config).toEqual({
      depth: 8,
      nested: [1, null, NaN],
      text: 'ü\u2028\n',
    });
    expect(night!.trials[0]!.end! - night!.trials[0]!.start!).toBe(50_000);
    expect(up!.directions).toEqual(['maximize']);
    expect(up!.trials[0]!).toMatchObject({ number: 0, id: 7, state: 'pruned', value: null });
  });
});

describe('records', () => {
  test('ids count creations, deleted studies included; creating a name a second time has no effect', () => {
    const [second, again] = readJournal(
      journal([
        create,
        { ...create, study_name: 't' },
        create,
        trial,
        { op_code: 1, study_id: 0 },
        trial,
        { ...trial, study_id: 1 },
        create,
        { ...trial, study_id: 2 },
      ]),
    );
    expect([second!.name, second!.id, second!.trials.map((t) => [t.id, t.number])]).toEqual([
      't',
      1,
      [[1, 0]],
    ]);
    expect([again!.name, again!.id, again!.trials.map((t) => [t.id, t.number])]).toEqual(['s', 2, [[2, 0]]]);
  });

  test('a finished trial never changes; the first claim of a waiting trial wins', () => {
    const finish = { op_code: 6, trial_id: 0, state: 1, values: [3], ...done };
    const claim = { op_code: 6, trial_id: 1, state: 0, values: null };
    const [study] = readJournal(
      journal([
        create,
        trial,
        finish,
        { ...finish, state: 3, values: [4] },
        { op_code: 7, trial_id: 0, step: 1, intermediate_value: 1 },
        { op_code: 8, trial_id: 0, user_attr: { a: 1 } },
        { ...trial, state: 4, datetime_start: null },
        { ...claim, datetime_start: '2026-11-23T12:00:00.000000+00:00', worker_id: 'a' },
        { ...claim, datetime_start: '2026-11-23T13:00:00.000000+00:00', worker_id: 'b' },
        { op_code: 6, trial_id: 99, state: 1, values: [3], ...done },
      ]),
    );
    expect(study!.trials[0]).toMatchObject({ state: 'complete', value: 3, userAttrs: {} });
    expect(study!.trials[0]!.intermediate.size).toBe(0);
    expect(study!.trials[1]).toMatchObject({ state: 'running', start: Date.UTC(2026, 10, 23, 12) });
  });

  test('a parameter keeps its class, log flag and choices; other bounds are allowed', () => {
    const param = (trialId: number, name: string, attributes: object, internal: number) => ({
      op_code: 5,
      trial_id: trialId,
      param_name: 'p',
      param_value_internal: internal,
      distribution: formatJson({ name, attributes }),
    });
    const range = { low: 1, high: 4, log: false, step: null };
    const [study] = readJournal(
      journal([
        create,
        trial,
        param(0, 'FloatDistribution', range, 2),
        trial,
        param(1, 'IntDistribution', { ...range, step: 1 }, 2),
        trial,
        param(2, 'FloatDistribution', { ...range, log: true }, 2),
        trial,
        param(3, 'FloatDistribution', { ...range, high: 9 }, 8),
      ]),
    );
    expect(study!.trials.map((t) => t.params)).toEqual([{ p: 2 }, {}, {}, { p: 8 }]);
  });

  test('a complete trial without a usable value counts as failed', () => {
    const finish = { op_code: 6, trial_id: 0, state: 1, ...done };
    for (const values of [null, [], [Number.NaN]])
      expect(readJournal(journal([create, trial, { ...finish, values }]))[0]!.trials[0]).toMatchObject({
        state: 'fail',
        value: null,
      });
  });

  test('distributions of every Optuna version are read', () => {
    const read = (name: string, attributes: object) => distributionFromJson(formatJson({ name, attributes }));
    expect(read('UniformDistribution', { low: 0, high: 1 })).toEqual({
      kind: 'float',
      low: 0,
      high: 1,
      log: false,
      step: null,
    });
    expect(read('LogUniformDistribution', { low: 1, high: 2 })).toMatchObject({ kind: 'float', log: true });
    expect(read('DiscreteUniformDistribution', { low: 0, high: 1, q: 0.25 })).toMatchObject({ step: 0.25 });
    expect(read('IntUniformDistribution', { low: 0, high: 9, step: 3 })).toMatchObject({
      kind: 'int',
      step: 3,
    });
    expect(read('IntLogUniformDistribution', { low: 1, high: 9, step: 1 })).toMatchObject({ log: true });
    expect(distributionFromJson('{"type":"int","low":1,"high":3}')).toMatchObject({ kind: 'int', step: 1 });
    expect(distributionFromJson('{"type":"categorical","choices":["a",NaN]}')).toEqual({
      kind: 'categorical',
      choices: ['a', NaN],
    });
    // Python may hold lists as choices; they are identified by their text.
    expect(read('CategoricalDistribution', { choices: [[64, 64], { toString: 1 }] })).toEqual({
      kind: 'categorical',
      choices: ['[64,64]', '{"toString":1}'],
    });
    for (const name of ['toString', 'constructor', '__proto__'])
      expect(() => read(name, {})).toThrow(`unknown distribution "${name}"`);
    expect(() => distributionFromJson('{"type":"int","low":1,"high":1e999}')).toThrow('got Infinity');
    expect(() => read('NormalDistribution', {})).toThrow('unknown distribution "NormalDistribution"');
  });

  test("Python's integers beyond 2^53 are read as doubles", () => {
    const read = (attributes: string) =>
      distributionFromJson(
        `{"name": "IntDistribution", "attributes": {"log": false, "step": 1, ${attributes}}}`,
      );
    const numeric = { kind: 'int', log: false, step: 1 };
    expect(read('"low": 0, "high": 9007199254740992')).toEqual({ ...numeric, low: 0, high: 2 ** 53 });
    expect(read('"low": 0, "high": 9223372036854775807')).toEqual({ ...numeric, low: 0, high: 2 ** 63 });
    expect(read('"low": -9007199254740991, "high": 2')).toEqual({ ...numeric, low: 1 - 2 ** 53, high: 2 });
    expect(() => read('"low": 18446744073709551616, "high": 0')).toThrow(/low/);
    expect(() => int(0, 2 ** 53)).toThrow('high to be an integer below 2^53, got 9007199254740992');
  });

  test('dates are written in UTC with microseconds; dates without an offset are local time', () => {
    expect(formatDate(Date.UTC(2026, 10, 23, 12, 0, 0, 7))).toBe('2026-11-23T12:00:00.007000+00:00');
    expect(parseDate('2026-11-23T14:00:00.123456+02:00')).toBe(Date.UTC(2026, 10, 23, 12, 0, 0, 123));
    expect(parseDate('2026-11-23T12:00:00')).toBe(new Date(2026, 10, 23, 12).getTime());
  });
});

describe('bad files', () => {
  test.each<[string, object | string, RegExp]>([
    ['an unknown operation', { op_code: 11 }, /expected op_code to be 0 to 10, got 11/],
    ['no operation', {}, /expected op_code to be an integer, got nothing/],
    ['no worker', { ...create, study_name: 'u', worker_id: undefined }, /expected worker_id to be a string/],
    [
      'two attributes at once',
      { op_code: 2, study_id: 0, user_attr: { a: 1, b: 2 } },
      /expected one key in user_attr/,
    ],
    [
      'a state without values',
      { op_code: 6, trial_id: 0, state: 3, ...done },
      /expected values to be an array of numbers or null/,
    ],
    ['an end without its date', { op_code: 6, trial_id: 0, state: 1, values: [1] }, /datetime_complete/],
    [
      'a date that is none',
      { op_code: 6, trial_id: 0, state: 1, values: [1], datetime_complete: 'x' },
      /to be a date/,
    ],
    [
      'an unknown state',
      { op_code: 6, trial_id: 0, state: 5, values: null },
      /expected state to be 0 to 4, got 5/,
    ],
    ['a trial without its start', { op_code: 4, study_id: 0 }, /expected datetime_start/],
    ['a blank line', '', /in a blank line/],
    ['a torn line', '{"op_code":4,"wor', /JSON/],
    ['an array', '[1]', /expected a record to be an object, got \[1\]/],
    [
      'a value that is text',
      { op_code: 6, trial_id: 0, state: 1, values: ['1'], ...done },
      /array of numbers/,
    ],
    [
      'a value in a list',
      { op_code: 6, trial_id: 0, state: 2, values: [[null]], ...done },
      /got \[\[null\]\]/,
    ],
    ['a value of another type', { ...trial, state: 1, value: {} }, /expected value to be a number, got {}/],
    ['a step that is none', { ...trial, intermediate_values: { x: 1 } }, /expected a step to be an integer/],
    ['attributes in a list', { ...trial, user_attrs: [1] }, /expected user_attrs to be an object, got \[1\]/],
    ['a parameter without distribution', { ...trial, params: { x: 1 } }, /expected a distribution to be/],
    [
      'a direction that is none',
      { ...create, study_name: 'u', directions: ['up'] },
      /direction to be 0, 1 or 2/,
    ],
    [
      'a choice that is not there',
      {
        op_code: 5,
        trial_id: 0,
        param_name: 'p',
        param_value_internal: 2,
        distribution: '{"name":"CategoricalDistribution","attributes":{"choices":["a","b"]}}',
      },
      /the index of one of 2 choices, got 2/,
    ],
    [
      'a bad distribution',
      {
        op_code: 5,
        trial_id: 0,
        param_name: 'p',
        param_value_internal: 1,
        distribution: '{"name":"X"}',
      },
      /unknown distribution "X"/,
    ],
  ])('%s in the middle is an error that names the file and the line', (_, line, message) => {
    const path = journal([create, trial, line, trial]);
    const text = messageFrom(() => readJournal(path));
    expect(text).toContain(`${path}:3: `);
    expect(text).toMatch(message);
    expect(text).not.toContain('\n');
  });

  test('a torn last line is ignored by readers and cut before the next record', () => {
    const path = journal([create, trial, '{"op_code":7,"worker_id":"w","trial_id":0,"st'], '');
    expect(readJournal(path)[0]!.trials).toHaveLength(1);
    const storage = fileStorage(path);
    storage.transact(() => [studyAttrEntry('user', 0, 'note', 'after')]);
    const lines = readFileSync(path, 'utf8').split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[3]).toBe('');
    expect(JSON.parse(lines[2]!)).toMatchObject({ op_code: 2, user_attr: { note: 'after' } });
    expect(readJournal(path)[0]!.userAttrs).toEqual({ note: 'after' });
  });

  test('a torn first line is cut; a file that is not a study log is never changed', () => {
    for (const torn of ['{"op_c', '{"op_code":0,"worker', '\0\0\0']) {
      const path = journal([torn], '');
      fileStorage(path).transact(() => [{ ...create }]);
      expect(readJournal(path)[0]!.name).toBe('s');
    }
    for (const foreign of ['precious notes', 'precious\nnotes\n', '\x7fELF\0\n', '{"a":1}\n', '[]']) {
      const path = journal([foreign], '');
      expect(messageFrom(() => fileStorage(path).transact(() => [{ ...create }]))).toContain(
        `${path}:1: expected a study log`,
      );
      expect(readFileSync(path, 'latin1')).toBe(foreign);
    }
  });

  test('an empty file is an empty log, an absent one an error', () => {
    expect(readJournal(journal([]))).toEqual([]);
    expect(() => readJournal(fresh('none.log'))).toThrow(/^No study log at .*none\.log; check the path$/);
  });

  test('a folder, and a path that cannot be written, are errors that say what to do', () => {
    const path = journal([create]);
    expect(messageFrom(() => readJournal(dirname(path)))).toMatch(/to be a study log, got a folder/);
    expect(messageFrom(() => readJournal('/dev/null'))).toMatch(/to be a study log, got a pipe or device/);
    const pipe = `${path}.pipe`; // opening one blocks until somebody writes to it
    if (spawnSync('mkfifo', [pipe]).status === 0)
      for (const open of [() => readJournal(pipe), () => fileStorage(pipe, { create: true })])
        expect(messageFrom(open)).toMatch(/got a pipe or device/);
    expect(messageFrom(() => fileStorage(`${path}/x/journal.log`, { create: true }))).toMatch(
      /^Cannot write .*; choose a writable folder$/,
    );
    if (process.getuid?.() === 0) return; // root writes everywhere
    const folder = dirname(path);
    chmodSync(folder, 0o500);
    try {
      expect(messageFrom(() => fileStorage(path).transact(() => [{ ...create }]))).toMatch(/^Cannot write/);
      expect(readJournal(path)).toHaveLength(1);
    } finally {
      chmodSync(folder, 0o700);
    }
  });

  test('half a gigabyte of zeros at the end, as after a power cut, is a torn line', () => {
    const path = journal([create]);
    truncateSync(path, 2 ** 29); // sparse: takes no space
    const storage = fileStorage(path);
    storage.transact(() => [studyAttrEntry('user', 0, 'after', 1)]);
    expect(statSync(path).size).toBeLessThan(1000);
    expect(readJournal(path)[0]!.userAttrs).toEqual({ after: 1 });
  });

  test('a line longer than a string can be is an error that names it, and is never written', () => {
    const path = journal([create]);
    truncateSync(path, 2 ** 29 + 100);
    appendFileSync(path, '\n');
    expect(messageFrom(() => readJournal(path))).toMatch(/:2: the line is 5368\d+ bytes long/);
    const long = journal([create]);
    const entry = studyAttrEntry('user', 0, 'long', 'x'.repeat(longestLine / 3));
    expect(() => fileStorage(long).transact(() => [entry])).toThrow(/the record is 894\d+ characters long/);
    expect(readJournal(long)).toHaveLength(1);
  });

  test('invalid UTF-8 is an error that names the line', () => {
    const path = journal([create]);
    const line = formatJson({ worker_id: 'w', op_code: 2, study_id: 0, user_attr: { a: 'b\xe9' } });
    appendFileSync(path, Buffer.from(`${line}\n`, 'latin1'));
    expect(messageFrom(() => readJournal(path))).toContain(`${path}:2: invalid UTF-8 in `);
  });

  test('nesting deeper than 900 levels is refused by reader and writer', () => {
    const deep = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;
    const line = (levels: number) =>
      `{"op_code":2,"worker_id":"w","study_id":0,"user_attr":{"a":${deep(levels)}}}`;
    expect(readJournal(journal([create, line(800)]))).toHaveLength(1);
    expect(messageFrom(() => readJournal(journal([create, line(1e6)])))).toMatch(/:2: JSON nested deeper/);
    const storage = fileStorage(journal([create]));
    expect(() => storage.transact(() => [studyAttrEntry('user', 0, 'a', JSON.parse(deep(2000)))])).toThrow(
      UsageError,
    );
  });

  test('constructor, toString and __proto__ are ordinary names of parameters and attributes', () => {
    const names = ['constructor', 'toString', '__proto__', 'hasOwnProperty'];
    const lines = names.flatMap((name) => [
      `{"op_code":2,"worker_id":"w","study_id":0,"user_attr":{"${name}":"s"}}`,
      `{"op_code":8,"worker_id":"w","trial_id":0,"user_attr":{"${name}":{"fail_reason":"t"}}}`,
      `{"op_code":5,"worker_id":"w","trial_id":0,"param_name":"${name}","param_value_internal":2,"distribution":"{\\"type\\":\\"int\\",\\"low\\":1,\\"high\\":3}"}`,
    ]);
    const study = readJournal(journal([create, trial, ...lines]))[0]!;
    for (const at of [study.userAttrs, study.trials[0]!.userAttrs, study.trials[0]!.params])
      expect(Object.keys(at)).toEqual(names);
    expect(Object.values(study.trials[0]!.params)).toEqual([2, 2, 2, 2]);
    expect(({} as Record<string, unknown>).fail_reason).toBeUndefined();
  });

  test.each([1, 3])('a log in the place of another takes no results of that (%i trials)', (trials) => {
    const path = fresh('journal.log');
    const open = () => createStudy({ storage: path, space, defaults, sampler: uniform });
    const before = open();
    const running = before.ask();
    rmSync(path);
    const after = open();
    for (let i = 0; i < trials; i++) after.ask();
    expect(() => before.tell(running, 7)).toThrow('was cut or replaced while in use');
    after.refresh();
    expect(after.trials.map(({ state }) => state)).toEqual(Array(trials).fill('running'));
  });

  test('a log that is truncated or removed while in use is an error', () => {
    const path = journal([create, trial]);
    const storage = fileStorage(path);
    truncateSync(path, 10);
    expect(messageFrom(() => storage.refresh())).toMatch(/cut or replaced while in use/);
    rmSync(path);
    expect(messageFrom(() => storage.refresh())).toMatch(/was removed while in use/);
  });

  const canLimit = process.platform === 'linux' ? test : test.skip;
  canLimit('an append that does not fit leaves the log as it was', async () => {
    const path = journal([create]);
    const before = readFileSync(path);
    const script = `
      import { fileStorage } from ${JSON.stringify(new URL('build/src/tune/storage/fileStorage.js', root).href)};
      process.on('SIGXFSZ', () => {});
      const storage = fileStorage(process.argv[1]);
      const entry = { op_code: 2, study_id: 0, user_attr: { a: 'x'.repeat(3000) } };
      try { storage.transact(() => [entry]); } catch (error) { console.log(error.code ?? error.name); }`;
    // The shell's limit is in blocks of 1,024 bytes: the record's first part fits, the rest does not.
    const command = `ulimit -f 1; exec "$0" --input-type=module -e "$1" "$2"`;
    const child = spawn('bash', ['-c', command, process.execPath, script, path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let printed = '';
    child.stdout.on('data', (data) => (printed += data));
    await once(child, 'close');
    expect(printed.trim()).toBe('EnvironmentError');
    expect(readFileSync(path)).toEqual(before);
    fileStorage(path).transact(() => [studyAttrEntry('user', 0, 'later', 1)]);
    expect(readJournal(path)[0]!.userAttrs).toEqual({ later: 1 });
  });
});

describe('reading', () => {
  test('is incremental: lines already read are not read again', () => {
    const path = journal([create, trial]);
    const storage = fileStorage(path);
    const fd = openSync(path, 'r+');
    writeSync(fd, 'spoiled', 0); // a second reading of line 1 would fail
    appendFileSync(path, `${formatJson({ worker_id: 'w', ...trial })}\n{"op_code":4`);
    storage.refresh();
    expect(storage.log.studies()[0]!.trials).toHaveLength(2);
    appendFileSync(path, `,"worker_id":"w","study_id":0,"datetime_start":null}\n`);
    storage.refresh();
    expect(storage.log.studies()[0]!.trials).toHaveLength(3);
    expect(() => readJournal(path)).toThrow(':1: expected a study log');
  });

  test('a log larger than a chunk, and a line larger than one, are read whole', () => {
    const attr = (key: string, size: number) => ({
      op_code: 2,
      study_id: 0,
      user_attr: { [key]: 'é'.repeat(size) },
    });
    const path = journal([create, attr('a', 9e6), attr('b', 5e5), attr('c', 3e6)]); // 18 MB, 1 MB, 6 MB
    const [study] = readJournal(path);
    expect(Object.values(study!.userAttrs).map((text) => (text as string).length)).toEqual([9e6, 5e5, 3e6]);
  });

  test('replay refuses a record without touching its state', () => {
    const replay = createReplay();
    replay.apply({ worker_id: 'w', ...create });
    expect(() => replay.apply({ worker_id: 'w', op_code: 7, trial_id: 0, step: 0.5 })).toThrow('step');
    expect(replay.studies()).toHaveLength(1);
  });
});

describe('lock', () => {
  /** The target of this process's own lock. */
  const heldBy = (path: string) => withLock(path, () => readlinkSync(`${path}.lock`));

  test('the link encodes the holder and still leads to the log', () => {
    const path = journal([create]);
    const random = randomStream(3, 'lock');
    for (let i = 0; i < 200; i++) {
      const holder = { pid: random.int(2 ** 22), host: random.int(2 ** 16), start: random.int(2 ** 15) };
      expect(decodeHolder(encodeHolder(path, holder))).toEqual(holder);
      if (i === 0) expect(realpathSync(encodeHolder(path, holder))).toBe(realpathSync(path));
    }
    expect(decodeHolder(path)).toBeNull();
  });

  test('is released when the work throws', () => {
    const path = journal([create]);
    expect(() =>
      withLock(path, () => {
        throw new Error('work');
      }),
    ).toThrow('work');
    expect(withLock(path, () => 'free')).toBe('free');
  });

  test('of a dead process is taken over at once', async () => {
    const path = journal([create]);
    const script = `
      import { withLock } from ${JSON.stringify(new URL('build/src/tune/storage/lock.js', root).href)};
      withLock(process.argv[1], () => process.kill(process.pid, 'SIGKILL'));`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, path], { stdio: 'ignore' });
    const [, signal] = await once(child, 'exit');
    expect(signal).toBe('SIGKILL');
    expect(realpathSync(`${path}.lock`)).toBe(realpathSync(path)); // left behind
    expect(withLock(path, () => 'mine', 3_600_000)).toBe('mine');
  });

  test('of a reused pid is taken over too', () => {
    const path = journal([create]);
    // A link of this very process with another start time: only a predecessor can have made it.
    withLock(path, () => {
      const target = readlinkSync(`${path}.lock`);
      const holder = decodeHolder(target)!;
      rmSync(`${path}.lock`);
      if (identify().start === 0) return; // start times are known on Linux only
      symlinkSync(encodeHolder(path, { ...holder, start: (holder.start + 1) % 2 ** 15 }), `${path}.lock`);
    });
    expect(withLock(path, () => 'mine', 3_600_000)).toBe('mine');
  });

  test('a live lock that replaced a dead one just before its removal is put back', async () => {
    const path = journal([create]);
    const live = heldBy(path);
    const dead = encodeHolder(path, { ...decodeHolder(live)!, pid: 2 ** 22 - 1 });
    symlinkSync(dead, `${path}.lock`);
    // The waiter is preempted before its rename: meanwhile this process (alive) takes the dead one's lock over.
    const script = `
      import fs from 'node:fs';
      import { syncBuiltinESMExports } from 'node:module';
      const [path, live] = process.argv.slice(1);
      const lock = path + '.lock';
      const { renameSync, symlinkSync } = fs;
      let attempts = -1;
      fs.renameSync = (from, to) => {
        if (attempts < 0) {
          const { ino } = fs.lstatSync(lock);
          for (let i = 0; i < 50; i++) { // with the same inode where the file system reuses it
            fs.unlinkSync(lock);
            symlinkSync(live, lock);
            if (fs.lstatSync(lock).ino === ino) break;
          }
          attempts = 0;
        }
        renameSync(from, to);
      };
      fs.symlinkSync = (target, at) => {
        if (attempts >= 0 && ++attempts === 3) {
          console.log(fs.readlinkSync(lock) === live ? 'live lock kept' : 'live lock lost');
          fs.unlinkSync(lock);
        }
        symlinkSync(target, at);
      };
      syncBuiltinESMExports();
      const { withLock } = await import(${JSON.stringify(new URL('build/src/tune/storage/lock.js', root).href)});
      console.log(withLock(path, () => attempts >= 3 ? 'waited' : 'did not wait'));`;
    const args = ['--input-type=module', '-e', script, path, live];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let printed = '';
    child.stdout.on('data', (data) => (printed += data));
    await once(child, 'close');
    expect(printed.trim().split('\n')).toEqual(['live lock kept', 'waited']);
    expect(readdirSync(dirname(path))).toEqual(['journal.log']);
  });

  test('a holder that lost the lock, or finds lines of others, starts over and cuts nothing', () => {
    const path = journal([create]);
    const storage = fileStorage(path);
    let calls = 0;
    const line = (key: string) => `${formatJson({ worker_id: 'w', ...studyAttrEntry('user', 0, key, 1) })}\n`;
    storage.transact(() => {
      calls++;
      if (calls === 1) rmSync(`${path}.lock`);
      if (calls === 2) appendFileSync(path, line('other')); // by whoever believes to hold the lock
      return [studyAttrEntry('user', 0, `call ${calls}`, 1)];
    });
    expect(calls).toBe(3);
    expect(Object.keys(readJournal(path)[0]!.userAttrs)).toEqual(['other', 'call 3']);
  });

  test("of an unknown holder is taken over once it is stale, Optuna's link or a plain file", () => {
    const path = journal([create]);
    symlinkSync(path, `${path}.lock`);
    expect(withLock(path, () => 'mine', 30)).toBe('mine');
    writeFileSync(`${path}.lock`, '');
    expect(withLock(path, () => 'mine', 30)).toBe('mine');
  });

  test('a link to itself is taken over once it is stale; a folder is refused and stays', () => {
    const path = journal([create]);
    symlinkSync(`${path}.lock`, `${path}.lock`);
    expect(withLock(path, () => 'mine', 30)).toBe('mine');
    mkdirSync(`${path}.lock`);
    expect(() => withLock(path, () => 'mine', 30)).toThrow(`Expected a lock at ${path}.lock, got a folder`);
    expect(existsSync(`${path}.lock`)).toBe(true);
    rmSync(`${path}.lock`, { recursive: true });
  });
});
