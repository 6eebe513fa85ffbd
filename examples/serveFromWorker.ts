// Serves text over HTTP: a worker thread holds the model and generates, this thread answers requests.
// node build/examples/serveFromWorker.js FOLDER [PORT]   then: curl -N 'localhost:8080/?prompt=Once+upon+a+time'

import { createServer } from 'node:http';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { generateText, loadGpt, useBackend } from 'tinygpt';

type Request = { id: number; prompt: string };
type Answer = { id: number; piece: string | null };

if (isMainThread) {
  const [folder = 'runs/example', port = '8080'] = process.argv.slice(2);
  const worker = new Worker(new URL(import.meta.url), { workerData: folder });
  const waiting = new Map<number, (piece: string | null) => void>();
  worker.on('message', ({ id, piece }: Answer) => waiting.get(id)?.(piece));
  worker.on('error', (error) => {
    console.error((error as Error).message);
    process.exit(1);
  });

  let requests = 0;
  const server = createServer((request, response) => {
    const { searchParams, pathname } = new URL(request.url ?? '/', 'http://localhost');
    if (pathname === '/stop') {
      response.end('stopping\n');
      server.close();
      worker.postMessage(null);
      return;
    }
    const id = requests++;
    waiting.set(id, (piece) => {
      if (piece !== null) return void response.write(piece);
      waiting.delete(id);
      response.end('\n');
    });
    response.setHeader('content-type', 'text/plain; charset=utf-8');
    worker.postMessage({ id, prompt: searchParams.get('prompt') ?? 'Once upon a time' } satisfies Request);
  });
  server.listen(Number(port), '127.0.0.1', () => {
    const address = server.address();
    console.log(`Listening on http://127.0.0.1:${typeof address === 'object' ? address?.port : port}`);
  });
} else {
  await useBackend('auto');
  const { gpt, tokenizer, dispose } = await loadGpt(workerData as string);
  const send = (answer: Answer) => parentPort!.postMessage(answer);
  // One at a time, in the order of arrival: each message waits for the one before it.
  let last = Promise.resolve();
  parentPort!.on('message', (request: Request | null) => {
    last = last.then(async () => {
      if (request === null) {
        dispose();
        parentPort!.close(); // nothing is left to wait for: the thread ends
        return;
      }
      const { id, prompt } = request;
      try {
        send({ id, piece: prompt });
        for await (const piece of generateText(gpt, tokenizer, prompt, { maxTokens: 100, seed: id }))
          send({ id, piece });
      } catch (error) {
        send({ id, piece: `error: ${(error as Error).message}` });
      }
      send({ id, piece: null });
    });
  });
}
