// --dashboard beside a study that is kept in a storage, while it runs.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { MAIN } from '../../src/cli/commandLine.js';
import type { LiveState, Message, RunningState } from '../../src/report/messages.js';
import { hasRedis, startRedis } from '../tune/servers.js';
import { tinyStudyFolder, tinyTune } from './tinyStudy.js';

const folder = tinyStudyFolder();

/** The first message on running trials for which `holds`. */
async function firstLive(url: string, holds: (live: LiveState) => boolean): Promise<LiveState> {
  const stop = new AbortController();
  const { body } = await fetch(new URL('api/events', url), { signal: stop.signal });
  let rest = '';
  try {
    for await (const chunk of body!.pipeThrough(new TextDecoderStream())) {
      const parts = (rest + chunk).split('\n\n');
      rest = parts.pop()!;
      for (const part of parts) {
        const message = JSON.parse(part.replace(/^data: /, '')) as Message;
        if (message.kind === 'live' && holds(message.live)) return message.live;
      }
    }
    throw new Error('The stream ended before that');
  } finally {
    stop.abort();
  }
}

const storages = {
  'a journal elsewhere': async () => join(folder, 'shared.log'),
  Redis: async () => `redis://127.0.0.1:${(await startRedis()).port}`,
};

for (const [name, start] of Object.entries(storages))
  (name === 'Redis' && !hasRedis ? test.skip : test)(
    `--dashboard shows the loss curve of a running trial of a study in ${name}`,
    async () => {
      const more = ['--trials', '1', '--storage', await start(), '--name', `in ${name}`, '--dashboard', '0'];
      const child = spawn(process.execPath, [MAIN, ...tinyTune(folder, 'cpu', 1e4, name, ...more)], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      const ended = once(child, 'close');
      try {
        let said = '';
        const url = await new Promise<string>((resolve, reject) => {
          child.stderr.on('data', (chunk) => {
            const [, link] = /Dashboard: (http:\S+)\n/.exec((said += chunk)) ?? [];
            if (link) resolve(link);
          });
          void ended.then(() => reject(new Error(said)));
        });
        const live = await firstLive(
          url,
          ({ running }) => running[0] !== undefined && running[0].secondsLeft !== null,
        );
        expect(live.limits).toMatchObject({ trials: 1 });
        expect(live.running).toHaveLength(1);
        const [{ trial, curve, tokensPerSecond }] = live.running as [RunningState];
        expect([trial, curve.length > 1, Number(tokensPerSecond) > 0]).toEqual([0, true, true]);
      } finally {
        child.kill('SIGTERM');
      }
      expect(await ended).toEqual([130, null]);
    },
  );
