// A program that trains in worker threads only, one for each precision named on its command line, all at once; prints
// their results, and whether koffi is still loaded after they have ended. Run by workerThreads.test.ts.

import { readFileSync } from 'node:fs';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

if (isMainThread) {
  const results = await Promise.all(
    process.argv.slice(2).map(
      (precision) =>
        new Promise((resolve, reject) => {
          const worker = new Worker(new URL(import.meta.url), { workerData: precision });
          let result: unknown;
          worker.on('message', (message) => {
            result = message;
          });
          worker.on('error', reject);
          worker.on('exit', (code) => resolve({ code, result }));
        }),
    ),
  );
  const loaded = process.platform !== 'linux' || /koffi\.node/.test(readFileSync('/proc/self/maps', 'utf8'));
  console.log(JSON.stringify({ results, loaded }));
} else {
  const [{ useBackend }, { train }, { TINY }, { tinyData }] = await Promise.all([
    import('../../../src/backend/index.js'),
    import('../../../src/train/trainer.js'),
    import('../../tinyConfig.js'),
    import('../../tinyData.js'),
  ]);
  await useBackend('native', { precision: workerData });
  const { losses } = await train({ ...TINY, width: 64 }, { data: tinyData(), budget: { steps: 12 } });
  parentPort!.postMessage(losses);
}
