// A client of Optuna's gRPC storage proxy (`optuna.storages.run_grpc_proxy_server`), in the network thread: single calls,
// reading what is new, and a lock, which Optuna's storages lack.
//
// The lock is a trial of a study of its own, LOCK: taken by setting it from waiting to running, which the server does
// for one client only, and given back by setting it to waiting. One that was not given back for 30 s is failed, again
// possible for one client only, and another trial becomes the lock; whoever comes late fails to give back, and harms
// nobody.

import { fileURLToPath } from 'node:url';
import {
  type Client,
  type ClientOptions,
  connectivityState,
  credentials,
  loadPackageDefinition,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { LONGEST_WAIT } from '../../../base/pause.js';
import { grpcAddress } from './address.js';
import { answerMs, ConnectionLost, type Endpoint, LOCK, wholeStudyMs } from './endpoint.js';

/** A trial on the wire. */
export type WireTrial = {
  trial_id: number;
  number: number;
  state: number;
  values: number[];
  datetime_start: string;
  datetime_complete: string;
  params: Record<string, number>;
  distributions: Record<string, string>;
  user_attributes: Record<string, string>;
  system_attributes: Record<string, string>;
  intermediate_values: { key: number; value: number }[];
};
export type WireStudy = {
  study_id: number;
  study_name: string;
  directions: number[];
  user_attributes: Record<string, string>;
  system_attributes: Record<string, string>;
};
/** The server's answer, or why it refused. */
export type RpcResult<T> =
  | { reply: T; refused?: undefined }
  | { refused: 'absent' | 'exists' | 'finished' | 'invalid'; details: string };
/** What is new in a study, its attributes if asked for; null where it was deleted. */
export type StudyNews = Pick<WireStudy, 'user_attributes' | 'system_attributes'> & { trials: WireTrial[] };

const running = 0;
const failed = 3;
const waiting = 4;

const PROTO = fileURLToPath(new URL('../../../../../data/optuna/storage.proto', import.meta.url));
const channel: ClientOptions = {
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.client_idle_timeout_ms': LONGEST_WAIT,
};
const staleMs = 30_000;
const longestPauseMs = 40;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const refusals: Record<number, 'absent' | 'exists' | 'finished' | 'invalid'> = {
  [status.NOT_FOUND]: 'absent',
  [status.ALREADY_EXISTS]: 'exists',
  [status.FAILED_PRECONDITION]: 'finished',
  [status.INVALID_ARGUMENT]: 'invalid',
};
/** Not there, or failed with an exception of its own: its database is gone, or was busy for too long. */
const losses = new Set([
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.CANCELLED,
  status.INTERNAL,
  status.UNKNOWN,
  status.ABORTED,
  status.RESOURCE_EXHAUSTED,
]);

type Call = (
  request: object,
  options: { deadline: number },
  done: (error: ServiceError | null, reply: unknown) => void,
) => void;

/** @param url `grpc://HOST:PORT` */
export function grpcEndpoint(url: string): Endpoint {
  const address = grpcAddress(url);
  const definition = loadSync(PROTO, { keepCase: true, longs: Number, defaults: true });
  const { optuna } = loadPackageDefinition(definition) as unknown as {
    optuna: {
      StorageService: new (
        address: string,
        secure: unknown,
        options: ClientOptions,
      ) => Client & Record<string, Call>;
    };
  };
  let client: InstanceType<typeof optuna.StorageService> | undefined;

  function rpc<T>(name: string, request: object, ms = answerMs): Promise<RpcResult<T>> {
    const service = client;
    if (!service) return Promise.reject(new ConnectionLost('not connected'));
    return new Promise((resolve, reject) => {
      (service[name] as Call).call(service, request, { deadline: Date.now() + ms }, (error, reply) => {
        if (!error) return resolve({ reply: reply as T });
        const { code, details } = error;
        const refused = refusals[code];
        if (refused) return resolve({ refused, details });
        if (losses.has(code))
          return reject(new ConnectionLost(details || `the proxy answers ${status[code]}`));
        const what =
          code === status.UNIMPLEMENTED
            ? `Expected Optuna's storage proxy at ${address}, got a server without its ${name}`
            : name;
        reject(new Error(`${what}: ${details}`));
      });
    });
  }

  /** The reply of a call that the server never refuses. */
  async function must<T>(name: string, request: object): Promise<T> {
    const result = await rpc<T>(name, request);
    if (result.refused) throw new Error(`${name}: ${result.details}`);
    return result.reply;
  }

  async function pull(
    studyId: number,
    unfinished: number[],
    after: number,
    attributes: boolean,
  ): Promise<StudyNews | null> {
    const study = { study_id: studyId };
    const query = { ...study, included_trial_ids: unfinished, trial_id_greater_than: after };
    type Attributes = RpcResult<{ attributes: Record<string, string> }>;
    const read = async (name: string): Promise<Attributes> =>
      attributes ? rpc(name, study) : { reply: { attributes: {} } };
    const [user, system, trials] = await Promise.all([
      read('GetStudyUserAttributes'),
      read('GetStudySystemAttributes'),
      rpc<{ trials: WireTrial[] }>('GetTrials', query, after < 0 ? wholeStudyMs : answerMs),
    ]);
    if (user.refused || system.refused || trials.refused) return null;
    return {
      user_attributes: user.reply.attributes,
      system_attributes: system.reply.attributes,
      trials: trials.reply.trials,
    };
  }

  let lockId: number | null = null; // the trial that is the lock
  let held: number | null = null; // as above, while this client holds it

  const setState = (trialId: number, state: number) =>
    rpc<{ trial_updated: boolean }>('SetTrialStateValues', { trial_id: trialId, state, values: [] });

  /** The unfinished trial of the lowest number, made where there is none: all clients find the same. */
  async function findLock(): Promise<number> {
    const created = await rpc<{ study_id: number }>('CreateNewStudy', { directions: [0], study_name: LOCK });
    const study = created.refused
      ? await must<{ study_id: number }>('GetStudyIdFromName', { study_name: LOCK })
      : created.reply;
    for (;;) {
      const query = { study_id: study.study_id, included_trial_ids: [], trial_id_greater_than: -1 };
      const { trials } = await must<{ trials: WireTrial[] }>('GetTrials', query);
      const open = trials.filter(({ state }) => state === running || state === waiting);
      if (open.length > 0) return open.reduce((a, b) => (a.number < b.number ? a : b)).trial_id;
      await must('CreateNewTrial', { study_id: study.study_id, template_trial: { state: waiting } });
    }
  }

  async function giveBack(): Promise<void> {
    if (held !== null) await setState(held, waiting);
    held = null;
  }

  async function lock(): Promise<void> {
    lockId ??= await findLock();
    if (held !== null && held !== lockId) held = null; // taken away, or of a server that was emptied
    await giveBack(); // one that a lost connection left behind
    let seen = { start: '', at: performance.now(), checked: 0 };
    for (let pause = 2; ; pause = Math.min(pause * 2, longestPauseMs)) {
      lockId ??= await findLock();
      const asked = performance.now();
      const taken = await setState(lockId, running);
      if (taken.refused) {
        lockId = null; // it was taken away, or the study deleted
        continue;
      }
      if (taken.reply.trial_updated) {
        held = lockId;
        return;
      }
      const now = performance.now();
      if (now - seen.checked > 1000) {
        const found = await rpc<{ trial: WireTrial }>('GetTrial', { trial_id: lockId });
        const start = found.refused ? '' : found.reply.trial.datetime_start;
        if (start !== seen.start) seen = { start, at: now, checked: now };
        else if (now - seen.at > staleMs) {
          await setState(lockId, failed);
          lockId = null;
          continue;
        } else seen.checked = now;
      }
      // A server that answers slowly is busy: those that wait must not take its time from the one that works.
      await sleep((pause + 2 * (now - asked)) * (0.5 + Math.random()));
    }
  }

  const methods: Record<string, (...args: never[]) => Promise<unknown>> = {
    rpc,
    pull,
    lock,
    unlock: giveBack,
  };

  return {
    async connect() {
      client?.close();
      lockId = null; // the server may have been emptied meanwhile
      client = new optuna.StorageService(address, credentials.createInsecure(), channel);
      await rpc('GetStudyIdFromName', { study_name: LOCK }); // through the proxy to the database
    },
    async call(method, args) {
      // The channel would connect again by itself, perhaps to a server that has other studies by now.
      if (client?.getChannel().getConnectivityState(false) !== connectivityState.READY)
        throw new ConnectionLost('the server closed the connection');
      return methods[method]!(...(args as never[]));
    },
    close() {
      client?.close();
      client = undefined;
    },
  };
}
