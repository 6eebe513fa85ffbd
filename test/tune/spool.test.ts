// Records kept on disk until their storage is back: the next process takes over all that one has left.

import { appendFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { type Batch, openSpool } from '../../src/tune/storage/spool.js';
import { scratchFolder } from './scratch.js';

const fresh = scratchFolder();
const NO_PID = 4_194_304; // above every pid
const batch = (trial: number): Batch => ({ study: 0, trial, entries: [{ op_code: 8, trial_id: trial }] });

test.each([
  ['while it ran', 'jsonl', ''],
  ['while it took over', 'adopted', ''],
  ['after a write that a full disk cut short', 'jsonl', '{"study":0,"tri'],
])('records of a process that died %s are taken over', (_, suffix, torn) => {
  const folder = fresh('spool');
  const left = openSpool('redis://host', folder);
  left.add(batch(1));
  appendFileSync(left.path!, torn);
  left.add(batch(2));
  const text = readFileSync(left.path!, 'utf8').replace(/"boot":"[^"]*"/, '"boot":"before"');
  rmSync(left.path!);
  writeFileSync(left.path!.replace(`.${process.pid}.`, `.${NO_PID}.`).replace(/jsonl$/, suffix), text);

  const next = openSpool('redis://host', folder);
  expect(next.adopt()).toEqual([batch(1), batch(2)]);
  expect(readdirSync(folder)).toHaveLength(1);
  expect(readFileSync(next.path!, 'utf8')).toContain('"trial":2');
  next.clear();
  expect(readdirSync(folder)).toEqual([]);
});

test('records under a name of an earlier version are taken over', () => {
  const folder = fresh('spool');
  const left = openSpool('redis://host', folder);
  left.add(batch(1));
  const text = readFileSync(left.path!, 'utf8').replace(/"boot":"[^"]*"/, '"boot":"before"');
  rmSync(left.path!);
  writeFileSync(left.path!.replace(`.${process.pid}.`, `-${NO_PID}.`), text);
  expect(openSpool('redis://host', folder).adopt()).toEqual([batch(1)]);
});
