const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'always' });

/** `12 seconds ago`; `just now` below five seconds and for what a wrong clock puts into the future. */
export function formatAgo(then: number, now: number): string {
  const elapsed = now - then;
  if (elapsed < 5 * second) return 'just now';
  if (elapsed < minute) return relative.format(-Math.floor(elapsed / second), 'second');
  if (elapsed < hour) return relative.format(-Math.floor(elapsed / minute), 'minute');
  if (elapsed < day) return relative.format(-Math.floor(elapsed / hour), 'hour');
  return relative.format(-Math.floor(elapsed / day), 'day');
}

/** `8 s`, `3 min`, `2 h 5 min`, `4 d 1 h`; a negative length counts as none. */
export function formatDuration(length: number): string {
  const rest = Math.max(0, length);
  if (rest < minute) return `${String(Math.floor(rest / second))} s`;
  if (rest < hour) return `${String(Math.floor(rest / minute))} min`;
  if (rest < day) return pair(rest, hour, 'h', minute, 'min');
  return pair(rest, day, 'd', hour, 'h');
}

/** The time of day, with the date when it was not today. */
export function formatClock(then: number, now: number): string {
  const sameDay = new Date(then).toDateString() === new Date(now).toDateString();
  return new Intl.DateTimeFormat('en-GB', {
    hour: '2-digit',
    minute: '2-digit',
    ...(sameDay ? {} : { day: 'numeric', month: 'short' }),
  }).format(then);
}

function pair(length: number, large: number, largeName: string, small: number, smallName: string): string {
  const whole = Math.floor(length / large);
  const part = Math.floor((length % large) / small);
  return part === 0
    ? `${String(whole)} ${largeName}`
    : `${String(whole)} ${largeName} ${String(part)} ${smallName}`;
}
