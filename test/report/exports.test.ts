// What a study is written as for other tools and for the terminal: CSV, JSON Lines, TensorBoard's event files, steps, the
// view of a running study.

import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { studyCsv, studyJsonl } from '../../src/report/export.js';
import { leadOf, placeLabels } from '../../src/report/placement.js';
import { followSteps, noSteps, readLosses, stepsFile, stepsLog } from '../../src/report/steps.js';
import type { ReportedStudy } from '../../src/report/study.js';
import { crc32c, createEventFile } from '../../src/report/tensorboard.js';
import { exportEvents } from '../../src/report/trialEvents.js';
import { watchLines } from '../../src/report/watchText.js';
import type { StepReport } from '../../src/train/runTypes.js';
import { makeTrial, TRIALS } from './trials.js';

const study = (more: Partial<ReportedStudy> = {}): ReportedStudy => ({
  name: 'tiny',
  direction: 'minimize',
  trials: TRIALS,
  userAttrs: {},
  ...more,
});
const report = (progress: number): StepReport => ({
  ...{ step: Math.round(100 * progress), progress, loss: 3 - progress, smoothLoss: 3 - progress },
  ...{ lrMultiplier: 1, seconds: 1, tokensPerSecond: 1000, mfuPercent: null, peakMemoryBytes: 1e6 },
  ...{ epoch: 0, tokens: 0, trainingSeconds: 10 * progress },
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tinygpt-exports-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('CSV and JSON Lines', () => {
  test('a row for each trial, values only of complete ones', () => {
    const [head, ...rows] = studyCsv(study()).trimEnd().split('\r\n');
    expect(head).toBe(
      'trial,state,value,params_lr,params_log2_batch,params_window,seconds,start,end,attr_fail_reason',
    );
    expect(rows).toHaveLength(TRIALS.length);
    expect(rows[2]).toBe('2,fail,,0.03,5,SSSL,10,1970-01-01T00:17:00.000Z,1970-01-01T00:17:10.000Z,diverged');
    expect(rows[4]).toMatch(/^4,pruned,,/);
  });

  test('texts with commas, quotes and line breaks are quoted, and none is a formula', () => {
    const hostile = {
      a: '=HYPERLINK("http://x")',
      b: 'one,"two"\nthree',
      c: -1.5,
      d: '-1+1',
      e: { deep: 1 },
      f: '\n=1+1',
      g: '＝1+1',
    };
    const trials = [makeTrial(0, 'complete', -2, { userAttrs: hostile })];
    const csv = studyCsv(study({ trials }));
    expect(csv).toContain(`"'=HYPERLINK(""http://x"")"`);
    expect(csv).toContain('"one,""two""\nthree"');
    expect(csv).toContain(",-1.5,'-1+1,\"'\n=1+1\",'＝1+1\r\n");
    expect(csv).toContain('0,complete,-2,');
    expect(csv).not.toContain('deep');
  });

  test('a trial has the value of each objective', () => {
    const trials = [makeTrial(0, 'complete', 1.5, { values: [1.5, 900] }), makeTrial(1, 'fail', null)];
    const directions = ['minimize', 'maximize'] as const;
    const systemAttrs = { 'study:metric_names': ['val_bpb', 'tokens/s'] };
    const [head, first, second] = studyCsv(study({ trials, directions, systemAttrs })).split('\r\n');
    expect(head).toMatch(/^trial,state,val_bpb,tokens\/s,params_lr,/);
    expect(first).toMatch(/^0,complete,1.5,900,0.01,/);
    expect(second).toMatch(/^1,fail,,,0.02,/);
  });

  test('JSON Lines hold all that the journal says', () => {
    const trials = [makeTrial(0, 'complete', Infinity, { intermediate: new Map([[1, Number.NaN]]) })];
    const line = JSON.parse(studyJsonl(study({ trials })));
    expect(line).toMatchObject({ number: 0, state: 'complete', value: Infinity, intermediate: [[1, null]] });
    expect(line.params).toEqual(trials[0]!.params);
  });
});

describe('event files', () => {
  /** The records of a file, its checksums checked. */
  function recordsOf(path: string): Buffer[] {
    const bytes = readFileSync(path);
    const masked = (content: Buffer) => {
      const crc = crc32c(content);
      return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
    };
    const records: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const length = Number(bytes.readBigUInt64LE(at));
      expect(bytes.readUInt32LE(at + 8)).toBe(masked(bytes.subarray(at, at + 8)));
      const content = bytes.subarray(at + 12, at + 12 + length);
      expect(bytes.readUInt32LE(at + 12 + length)).toBe(masked(content));
      records.push(content);
      at += 16 + length;
    }
    return records;
  }
  const onlyFile = (in_: string) => join(in_, readdirSync(in_)[0]!);

  test('CRC32C is that of RFC 3720', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
  });

  test('a scalar is an event with wall time, step, tag and value', () => {
    const file = createEventFile(folder, 2000);
    file.scalars(300, { loss: 1.5, absent: null }, 2500);
    file.close();
    const [version, scalar] = recordsOf(onlyFile(folder));
    expect(version!.toString('latin1')).toContain('brain.Event:2');
    const expected = Buffer.concat([
      Buffer.from([0x09]),
      Buffer.from(new Float64Array([2.5]).buffer),
      Buffer.from([0x10, 0xac, 0x02, 0x2a, 13, 0x0a, 11, 0x0a, 4]),
      Buffer.from('loss'),
      Buffer.from([0x15]),
      Buffer.from(new Float32Array([1.5]).buffer),
    ]);
    expect(scalar).toEqual(expected);
  });

  test('a study is a run for each trial that began, with its parameters and how it ended', () => {
    const trials = [...TRIALS, makeTrial(10, 'waiting', null, { start: null, end: null })];
    expect(exportEvents(folder, study({ trials }), new Map([[0, [[0.5, 2]]]]))).toBe(10);
    expect(readdirSync(folder).sort()).toEqual(TRIALS.map(({ number }) => `trial-000${number}`));
    const text = readFileSync(onlyFile(join(folder, 'trial-0000'))).toString('latin1');
    for (const part of [
      '_hparams_/session_start_info',
      '_hparams_/session_end_info',
      'log2_batch',
      'SSSL',
      'train/loss',
    ])
      expect(text).toContain(part);
    recordsOf(onlyFile(join(folder, 'trial-0009')));
  });
});

describe('steps', () => {
  test('a step is recorded for every percent of the budget, and read back', () => {
    const log = stepsLog(folder, (line) => {
      throw new Error(line);
    });
    log.run({ trials: 5, seconds: null });
    for (let i = 0; i <= 1000; i++) log.step(3, report(i / 1000));
    const lines = readFileSync(stepsFile(folder), 'utf8').trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(90);
    expect(lines.length).toBeLessThan(130);
    const steps = noSteps();
    followSteps(stepsFile(folder), steps)();
    expect(steps.limits).toMatchObject({ trials: 5, seconds: null });
    expect(steps.last.get(3)).toMatchObject({
      trial: 3,
      progress: 1,
      loss: 2,
      tokensPerSecond: 1000,
      secondsLeft: 0,
    });
    expect(readLosses(folder).get(3)!.at(-1)).toEqual([1, 2]);
  });

  test('the time left is not known before a step has been timed', () => {
    const steps = noSteps();
    const record = { kind: 'step', trial: 1, progress: 0.02, loss: 3 };
    for (const trainingSeconds of [0, 2])
      appendFileSync(stepsFile(folder), `${JSON.stringify({ ...record, trainingSeconds })}\n`);
    const follow = followSteps(stepsFile(folder), steps);
    follow();
    expect(steps.last.get(1)!.secondsLeft).toBeCloseTo(98);
    appendFileSync(stepsFile(folder), `${JSON.stringify({ ...record, trainingSeconds: 0 })}\n`);
    follow();
    expect(steps.last.get(1)!.secondsLeft).toBeNull();
  });

  test('what is appended is read, a torn line once it is whole, foreign lines never; a cut file again', () => {
    const path = stepsFile(folder);
    const steps = noSteps();
    const refresh = followSteps(path, steps);
    refresh(); // not there yet
    writeFileSync(
      path,
      'null\n[1]\n"x"\n{"kind":"step","trial":0}\n{"kind":"step","trial":0,"progress":0.1,',
    );
    refresh();
    expect(steps.last.size).toBe(0);
    appendFileSync(path, '"loss":2}\n');
    refresh();
    expect(steps.losses.get(0)).toEqual([[0.1, 2]]);
    writeFileSync(path, '{"kind":"step","trial":0,"progress":0.05,"loss":5}\n');
    refresh();
    expect(steps.losses.get(0)).toEqual([[0.05, 5]]);
  });

  test('a run that resumes keeps its curve up to the checkpoint; another file in its place is read again', () => {
    const path = stepsFile(folder);
    const steps = noSteps();
    const refresh = followSteps(path, steps);
    const line = (progress: number, loss: number) =>
      `${JSON.stringify({ kind: 'step', trial: 0, progress, loss })}\n`;
    writeFileSync(path, [0.1, 0.2, 0.3].map((progress) => line(progress, 2)).join(''));
    refresh();
    appendFileSync(path, line(0.25, 1));
    refresh();
    const resumed = [
      [0.1, 2],
      [0.2, 2],
      [0.25, 1],
    ];
    expect(steps.losses.get(0)).toEqual(resumed);
    // What a checkpoint leaves of metrics is written anew, and may have grown beyond its old size meanwhile.
    const other = `${path}.new`;
    writeFileSync(other, [0.1, 0.2, 0.3, 0.4, 0.5].map((progress) => line(progress, 3)).join(''));
    renameSync(other, path);
    refresh();
    expect(steps.losses.get(0)).toHaveLength(5);
    expect(steps.losses.get(0)!.every(([, loss]) => loss === 3)).toBe(true);
  });

  test('training goes on where they cannot be written', () => {
    writeFileSync(join(folder, 'file'), '');
    const notes: string[] = [];
    const log = stepsLog(join(folder, 'file'), (line) => notes.push(line));
    log.run({ trials: 1, seconds: 1 });
    log.step(0, report(0.5));
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatch(/^Steps are not recorded: /);
  });
});

describe('the view in a terminal', () => {
  const view = { rows: 20, columns: 80, now: 2_000_000, isLost: () => false };

  test('counts, best, budget, running trials with their steps, the last trials', () => {
    const steps = noSteps();
    steps.limits = { trials: 20, seconds: null, started: 1_000_000 };
    for (let i = 1; i <= 5; i++) {
      steps.losses.set(9, [...(steps.losses.get(9) ?? []), [i / 10, 5 - i]]);
      steps.last.set(9, {
        ...{ trial: 9, time: 0, step: i, progress: i / 10, loss: 5 - i },
        ...{ tokensPerSecond: 12_345, mfuPercent: null, memoryBytes: 5e8, secondsLeft: 90 },
      });
    }
    const lines = watchLines(study(), steps, view);
    expect(lines[0]).toBe('tiny: 10 trials (7 complete, 1 pruned, 1 failed, 1 running)');
    expect(lines[1]).toBe('best value 1.05 in trial 7, 2 improvements');
    expect(lines[2]).toBe('[###############...............] 10 of 20 trials');
    expect(lines.join('\n')).toContain(
      'trial 9 [##########..........]  50% | 1m30s left | loss 0.0000 | 12,345 tok/s |',
    );
    expect(lines.join('\n')).toContain('█▆▅▃▁');
    expect(lines.at(-1)).toMatch(/^ {3}8 {2} {4}1\.070000 {5}10s {2}complete/);
    expect(lines.length).toBeLessThanOrEqual(20);
    expect(lines.every((line) => line.length <= 80)).toBe(true);
  });

  test('has no empty budget where the limit is a time and nothing runs', () => {
    const steps = { ...noSteps(), limits: { trials: null, seconds: 90, started: 1_000_000 } };
    const trials = TRIALS.filter(({ state }) => state !== 'running');
    expect(watchLines(study({ trials }), steps, view).join('\n')).not.toContain('[');
  });

  test('a small value is not shown as zero', () => {
    const lines = watchLines(study({ trials: [makeTrial(0, 'complete', 3e-8)] }), noSteps(), view);
    expect(lines.at(-1)).toMatch(/^ {3}0 {7}3\.00e-8 {5}10s {2}best/);
  });

  test('two objectives have no best trial, but a front and two columns', () => {
    const trials = [
      [1, 5],
      [2, 9],
      [3, 4],
    ].map((values, i) => makeTrial(i, 'complete', values[0]!, { values }));
    const directions = ['minimize', 'maximize'] as const;
    const lines = watchLines(study({ trials, directions }), noSteps(), view);
    expect(lines[1]).toBe('2 trials in the Pareto front of value 1, value 2');
    expect(lines.at(-1)).toMatch(/^ {3}2 {6}3\.000000 {6}4\.000000 {5}10s {2}complete/);
  });

  test('a hostile name does not steer the terminal, and a lost process is said to be one', () => {
    const trials = [makeTrial(0, 'running', null, { params: { '\x1b[2J': '\x07' } })];
    const lines = watchLines(study({ name: '\x1b]0;x\x07\nname', trials }), noSteps(), {
      ...view,
      isLost: () => true,
    });
    expect(lines.join('')).not.toMatch(/\p{Cc}/u);
    expect(lines.join('\n')).toContain('trial 0  its process is gone');
  });
});

describe('labels of improvements', () => {
  test('overlap neither one another nor dots nor lines to labels, stay inside, and the last one has a place', () => {
    let led = 0;
    for (let seed = 1; seed <= 40; seed++) {
      let state = seed;
      const random = () => {
        state = (state * 16_807) % 2_147_483_647;
        return state / 2_147_483_647;
      };
      const within = { left: 60, right: 900, top: 10, bottom: 400 };
      let [x, y] = [60, 20];
      const points = Array.from({ length: 12 }, (): [number, number] => {
        x += 70 * random();
        y += 25 * random();
        return [x, Math.min(340, y)];
      });
      const sizes = points.map((): [number, number] => [40 + 200 * random(), 14]);
      for (const sign of [1, -1] as const) {
        const drawn = sign === 1 ? points : points.map(([px, py]): [number, number] => [px, 410 - py]);
        const places = placeLabels(drawn, sizes, within, sign);
        expect(places.at(-1)).not.toBeNull();
        const boxes = places.flatMap((place, i) => {
          if (!place) return [];
          const [px, py] = drawn[i]!;
          const [width, height] = sizes[i]!;
          const left = place.side === 'left' ? px - 8 - width : px + 8;
          return [
            {
              left,
              right: left + width,
              top: py + place.dy - height / 2,
              bottom: py + place.dy + height / 2,
            },
          ];
        });
        const leads = places.flatMap((place, i) => {
          const lead = place && leadOf(place);
          const [px, py] = drawn[i]!;
          return lead ? [{ x: [px, px + lead[0]], y: [py, py + lead[1]] }] : [];
        });
        led += leads.length;
        for (const { x: xs, y: ys } of leads)
          for (const box of boxes)
            expect(
              Math.max(...xs) > box.left &&
                Math.min(...xs) < box.right &&
                Math.max(...ys) > box.top &&
                Math.min(...ys) < box.bottom,
            ).toBe(false);
        for (const [i, box] of boxes.entries()) {
          expect(box.left >= 60 && box.right <= 900 && box.top >= 9.9 && box.bottom <= 400.1).toBe(true);
          for (const other of boxes.slice(i + 1))
            expect(
              box.left < other.right &&
                other.left < box.right &&
                box.top < other.bottom &&
                other.top < box.bottom,
            ).toBe(false);
          for (const [px, py] of drawn)
            expect(px > box.left && px < box.right && py > box.top && py < box.bottom).toBe(false);
        }
      }
    }
    expect(led).toBeGreaterThan(0);
  });
});
