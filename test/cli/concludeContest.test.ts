// What a contest says of its journals.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { concludeContest, poolOf, readRaces } from '../../src/cli/concludeContest.js';
import { confirm } from '../../src/tune/confirm.js';
import { float } from '../../src/tune/distributions.js';
import { randomSampler } from '../../src/tune/samplers/random.js';
import { createStudy } from '../../src/tune/study.js';
import { scratchFolder } from '../tune/scratch.js';

const fresh = scratchFolder();

test('values on fresh seeds are those of the winner, not of the one before it', async () => {
  const folder = fresh('contest');
  const space = { x: float(0, 1) };
  const storage = join(folder, 'random-1', 'journal.log');
  const race = createStudy({ name: 'random-1', space, sampler: randomSampler(), storage, seed: 1 });
  const winner = () => {
    concludeContest(folder, { say: () => {} });
    return JSON.parse(readFileSync(join(folder, 'contest.json'), 'utf8')).standings[0].winner;
  };
  for (const value of [2, 2.5]) race.tell(race.ask(), value);
  const { races, direction, shared } = readRaces(folder);
  const pool = { ...poolOf('random', races, direction, shared), path: null };
  const again = join(folder, 'again', 'random', 'journal.log');
  await confirm(pool, () => 3, { top: 2, repeats: 2, withDefaults: false, storage: again });
  expect(winner()).toMatchObject({ number: 0, value: 2, again: [3, 3] });

  race.tell(race.ask(), 1); // the race went on
  expect(winner()).toMatchObject({ number: 2, value: 1, again: [] });
});
