const FIRST = 1_000; // milliseconds; the first attempt after an end waits a random part of it
const LONGEST = 30_000;

/**
 * How long to stay away after so many failures in a row, in milliseconds. RFC 6455,
 * section 7.2.3: at random at first, and longer later, so that a server that comes
 * back is not overrun.
 */
export function backoff(failures: number): number {
  const longest = Math.min(LONGEST, FIRST * 2 ** failures);
  return failures === 0 ? Math.random() * longest : longest * (0.5 + Math.random() / 2);
}
