// Who is answered. A page of another site can make a browser send requests here, and a name that resolves to 127.0.0.1 makes
// that site ours in the browser's eyes (DNS rebinding): so only requests to a local name or an address are answered, none
// that a browser marks as another site's, and actions must come from this page.

import { isIP } from 'node:net';
import { hostname } from 'node:os';
import type { Context } from 'hono';

/** Nothing on the page loads from elsewhere, and no other page may show or read it. */
export const HEADERS = {
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    connectSrc: ["'self'"],
    imgSrc: ["'self'", 'data:'],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
  },
  crossOriginResourcePolicy: 'same-origin',
  crossOriginOpenerPolicy: 'same-origin',
  referrerPolicy: 'no-referrer',
  xFrameOptions: 'DENY',
  strictTransportSecurity: false,
};

/**
 * Why a request is not answered; null for one that is.
 * @param host the address that the server listens on
 * @param own this machine's name
 */
export function refusalOf(c: Context, host: string, own = hostname()): string | null {
  const name = c.req.header('host') ?? '';
  const url = URL.canParse(`http://${name}`) ? new URL(`http://${name}`) : null;
  const asked = url?.hostname.replace(/^\[|\]$/g, '') ?? '';
  const isLoopback = host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
  // No site can make a browser resolve an address to something else, only a name.
  const known = isLoopback
    ? asked === 'localhost' || asked === '::1' || (isIP(asked) === 4 && asked.startsWith('127.'))
    : isIP(asked) > 0 || ['localhost', host, own].some((each) => each.toLowerCase() === asked);
  if (!known) return `Expected the dashboard's own address, got ${JSON.stringify(name).slice(0, 80)}`;
  const site = c.req.header('sec-fetch-site');
  if (site !== undefined && site !== 'same-origin' && !(site === 'none' && c.req.method === 'GET'))
    return 'Expected a request of this page, got one of another site';
  const origin = c.req.header('origin');
  const isRead = c.req.method === 'GET' || c.req.method === 'HEAD';
  // Browsers name the origin of every action; what is only read may come without.
  if (origin === undefined ? !isRead : origin !== `http://${name}`)
    return 'Expected a request of this page, got one of another origin';
  return null;
}
