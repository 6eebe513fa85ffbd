// How long Optuna's gRPC storage proxy may take to answer, as a server sees it; and a server that is none.

import { fileURLToPath } from 'node:url';
import {
  type handleUnaryCall,
  loadPackageDefinition,
  Server,
  ServerCredentials,
  status,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { grpcEndpoint } from '../../src/tune/storage/network/grpcEndpoint.js';

const proto = fileURLToPath(new URL('../../../data/optuna/storage.proto', import.meta.url));
const server = new Server();
/** Seconds that the last call of each name was given. */
const given = new Map<string, number>();
let port = 0;

beforeAll(async () => {
  const { optuna } = loadPackageDefinition(loadSync(proto, { keepCase: true, defaults: true })) as never as {
    optuna: { StorageService: { service: Record<string, unknown> } };
  };
  const { service } = optuna.StorageService;
  const answer =
    (name: string): handleUnaryCall<unknown, unknown> =>
    (call, done) => {
      given.set(name, (Number(call.getDeadline()) - Date.now()) / 1000);
      if (name === 'GetTrial') done({ code: status.UNKNOWN, details: '' });
      else done(null, {});
    };
  server.addService(
    service as never,
    Object.fromEntries(Object.keys(service).map((name) => [name, answer(name)])),
  );
  port = await new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
});
afterAll(() => server.forceShutdown());

test('a study that is read for the first time may take minutes, what is new in it seconds', async () => {
  const endpoint = grpcEndpoint(`grpc://127.0.0.1:${port}`);
  await endpoint.connect();
  await endpoint.call('pull', [1, [], -1, true]);
  expect(given.get('GetTrials')).toBeGreaterThan(120);
  expect(given.get('GetStudyUserAttributes')).toBeLessThanOrEqual(10);
  await endpoint.call('pull', [1, [], 0, true]);
  expect(given.get('GetTrials')).toBeLessThanOrEqual(10);
  endpoint.close();
});

test('a proxy that fails and does not say why is lost, with its code as the reason', async () => {
  const endpoint = grpcEndpoint(`grpc://127.0.0.1:${port}`);
  await endpoint.connect();
  await expect(endpoint.call('rpc', ['GetTrial', { trial_id: 1 }])).rejects.toMatchObject({
    name: 'ConnectionLost',
    message: 'the proxy answers UNKNOWN',
  });
  endpoint.close();
});

test('a server that is no storage proxy is named, and asked no more', async () => {
  const other = new Server();
  const at = await new Promise<number>((resolve, reject) =>
    other.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  const endpoint = grpcEndpoint(`grpc://127.0.0.1:${at}`);
  await expect(endpoint.connect()).rejects.toMatchObject({
    name: 'Error', // no ConnectionLost
    message: expect.stringContaining(
      `Expected Optuna's storage proxy at 127.0.0.1:${at}, got a server without its GetStudyIdFromName`,
    ),
  });
  endpoint.close();
  other.forceShutdown();
});
