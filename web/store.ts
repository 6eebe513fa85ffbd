// The page's data: from the dashboard's server, live, or from the report file itself. One study is shown at a time; it and
// its trials are replaced as they change, so that what shows them is drawn again only then.

import { useEffect, useState } from 'preact/hooks';
import type { LiveState, Message, StudyEntry } from '../src/report/messages.js';
import { type PageStudy, type PageTrial, type StudyHead, trialOf } from '../src/report/pageData.js';
import { metricName, type ReportedStudy } from '../src/report/study.js';
import type { Direction } from '../src/tune/types.js';

/** A study as the charts take it. */
export type ShownStudy = Omit<ReportedStudy, 'trials'> & {
  key: string;
  /** Counts how often a study was loaded as a whole: then any trial may have changed. */
  loaded: number;
  head: StudyHead;
  trials: PageTrial[];
  metric: string;
};

export type Connection = 'saved' | 'connecting' | 'live' | 'lost';

/** What is shown now. */
export const store = {
  connection: 'connecting' as Connection,
  list: [] as readonly StudyEntry[],
  /** Why the study that is shown cannot be read now. */
  problem: '',
  study: null as ShownStudy | null,
  live: null as LiveState | null,
  /** Tokens per second and shares of CPU and GPU in the last minutes. */
  history: [] as { time: number; speed: number | null; cpu: number | null; gpu: number | null }[],
};

const listeners = new Set<() => void>();
let scheduled = false;

/** A part of the store; the component is drawn again when that changes, at most once a frame. */
export function useStore<T>(select: () => T): T {
  const [value, set] = useState(select);
  useEffect(() => {
    const listener = () => set(select);
    listener(); // it may have changed since
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, []);
  return value;
}

function changed(): void {
  if (scheduled) return;
  scheduled = true;
  // A hidden tab draws no frames, but shall not lag behind when it is shown.
  const run = () => {
    scheduled = false;
    for (const listener of listeners) listener();
  };
  document.hidden ? setTimeout(run, 500) : requestAnimationFrame(run);
}

let loads = 0;

/** A study from its head and rows. */
export function shownStudy(key: string, { head, rows }: PageStudy): ShownStudy {
  const direction: Direction = head.directions[0] ?? 'minimize';
  const trials = rows.map((row, number) => trialOf(row, number, head.space));
  const study = {
    key,
    loaded: ++loads,
    head,
    direction,
    directions: head.directions,
    trials,
    ...namesOf(head),
  };
  return { ...study, metric: metricName(study) };
}

const namesOf = ({ name, userAttrs, systemAttrs, space }: StudyHead) => ({
  ...{ name, userAttrs, systemAttrs, space },
});

/** Of all GPUs; null where there is none. */
export const meanUse = (gpus: LiveState['machine']['gpus']): number | null =>
  gpus.length === 0 ? null : gpus.reduce((sum, { use }) => sum + use, 0) / gpus.length;

const HISTORY = 150;

function receive(message: Message): void {
  const { study } = store;
  if (message.kind === 'list') {
    store.list = message.studies;
    const entry = store.list.find(({ key }) => key === study?.key);
    store.problem = study && !entry ? 'it is not there any more' : (entry?.error ?? '');
  } else if (message.kind === 'study') {
    if (message.key !== study?.key) [store.live, store.history] = [null, []];
    store.study = shownStudy(message.key, message);
    store.problem = '';
    wanted = message.key;
  } else if (message.kind === 'live') {
    store.live = message.live;
    const { running, machine, time } = message.live;
    const speeds = running.flatMap(({ tokensPerSecond }) => tokensPerSecond ?? []);
    const speed = speeds.length > 0 ? speeds.reduce((a, b) => a + b) : null;
    store.history.push({ time, speed, cpu: machine.cpu, gpu: meanUse(machine.gpus) });
    if (store.history.length > HISTORY) store.history.shift();
  } else if (study && study.key === message.key) {
    const head = message.head ?? study.head;
    const trials = [...study.trials];
    for (const [number, row] of message.rows) trials[number] = trialOf(row, number, head.space);
    store.study = { ...study, head, ...namesOf(head), trials };
  }
  changed();
}

let events: EventSource | null = null;
/** The study that is shown, or asked for. */
let wanted = '';

/** Shows a study, live, also when the page is loaded again. */
export function open(key: string): void {
  wanted = key;
  setAddress(key, null);
  connect();
}

/** What the address says, so that it can be sent as a link. */
function setAddress(study: string, trial: number | null): void {
  const parts = [study && `study=${encodeURIComponent(study)}`, trial !== null && `trial=${trial}`];
  const hash = parts.filter(Boolean).join('&');
  history.replaceState(null, '', `${location.pathname}${location.search}${hash && `#${hash}`}`);
}

const linkedStudy = (): string => /[#&]study=(\w*)/.exec(location.hash)?.[1] ?? '';

/** The trial that the address names, and of which study, '' for any; null where there is none. */
export function linkedTrial(): { study: string; number: number } | null {
  const given = /[#&]trial=(\d+)/.exec(location.hash)?.[1];
  return given === undefined ? null : { study: linkedStudy(), number: Number(given) };
}

/** Names a trial of the study that is shown in the address, or none. */
export const linkTrial = (trial: number | null): void => setAddress(store.study?.key ?? '', trial);

/** Connects again by itself, and begins with all trials of the study then. */
function connect(): void {
  events?.close();
  events = null;
  // Browsers open six connections to a server, for all tabs together: one that is not seen leaves its own to others.
  if (document.hidden) return;
  const source = new EventSource(`api/events?study=${encodeURIComponent(wanted)}`);
  events = source;
  source.onopen = () => {
    store.connection = 'live';
    changed();
  };
  source.onerror = () => {
    store.connection = 'lost';
    changed();
    // Not by the browser, which would ask for the study of the first time, or end for good after an error's answer.
    source.close();
    setTimeout(() => source === events && connect(), 1000);
  };
  source.onmessage = ({ data }) => receive(JSON.parse(data) as Message);
}

/** Begins with the report's own data, or with the server's. */
export function begin(): void {
  window.addEventListener('hashchange', () => location.reload()); // somebody has pasted a link
  const own = document.getElementById('study')?.textContent;
  if (own) {
    store.connection = 'saved';
    store.study = shownStudy('', JSON.parse(own) as PageStudy);
    return;
  }
  wanted = linkedStudy();
  token();
  document.addEventListener('visibilitychange', connect);
  connect();
}

const TOKEN = 'tinygpt-token';

/** The token of actions: from the link that the terminal printed, kept while the tab is open. */
export function token(): string {
  const given = /[#&]token=([^&]*)/.exec(location.hash)?.[1];
  if (given) {
    sessionStorage.setItem(TOKEN, given);
    history.replaceState(null, '', location.pathname);
  }
  return sessionStorage.getItem(TOKEN) ?? '';
}

export const setToken = (text: string): void => sessionStorage.setItem(TOKEN, text.trim());

/** Whether the study that is shown takes actions. */
export const takesActions = (): boolean =>
  store.connection !== 'saved' && (store.list.find(({ key }) => key === store.study?.key)?.actions ?? false);

/** Asks the server to act. @returns what it did; throws an Error with its reason */
export async function act(action: 'enqueue' | 'stop' | 'resume', body: unknown = {}): Promise<string> {
  const response = await fetch(`api/studies/${encodeURIComponent(store.study!.key)}/${action}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token()}` },
    body: JSON.stringify(body),
  });
  const { message } = (await response.json()) as { message: string };
  if (!response.ok) throw new Error(message);
  return message;
}

/** Another study as it is now, to compare with. */
export async function fetchStudy(key: string): Promise<ShownStudy> {
  const response = await fetch(`api/studies/${encodeURIComponent(key)}`);
  if (!response.ok) throw new Error('This study cannot be read');
  return shownStudy(key, (await response.json()) as PageStudy);
}
