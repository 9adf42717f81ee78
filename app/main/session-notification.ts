import type { SessionStatus } from '@sallyport/shared/protocol/session.ts';
import { failureOf, isWaiting } from '../bridge/session-facts.ts';
import type { AppState, Tunnel } from '../bridge/state.ts';

export interface SessionNotification {
  readonly id: string;
  readonly title: string;
  readonly body: string;
}

/** What must be remembered of a tunnel, since its status alone does not say how it got there. */
interface Story {
  readonly status: SessionStatus;
  /** `trying` lasts from the first attempt to the last one; `disconnecting` keeps what it ends. */
  readonly phase: 'down' | 'trying' | 'up';
  /** Whether the person knows already that this series of attempts has failed. */
  readonly told: boolean;
}

/** By tunnel id; empty until the first state was seen. */
export type SessionStories = ReadonlyMap<string, Story>;

export interface SessionNews {
  readonly stories: SessionStories;
  readonly notifications: readonly SessionNotification[];
}

/**
 * What a person who does not look at the window should hear of a change: a tunnel came up, or went down by itself.
 *
 * What they asked for themselves they know already. A tunnel that is tried again and again is told of at its first
 * failure, when it gives up and when it succeeds. One that was not seen before is no news.
 */
export function sessionNews(stories: SessionStories, state: AppState): SessionNews {
  const notifications: SessionNotification[] = [];
  const next = new Map<string, Story>();
  for (const tunnel of state.tunnels) {
    const story = stories.get(tunnel.id);
    next.set(tunnel.id, story === undefined ? firstStory(tunnel) : continueStory(story, tunnel));
    const told = story === undefined ? null : tell(story, tunnel);
    if (told !== null) notifications.push({ id: tunnel.id, ...told });
  }
  return { stories: next, notifications };
}

function firstStory(tunnel: Tunnel): Story {
  const status = statusOf(tunnel);
  // How a run that is ending began cannot be known any more.
  if (status === 'disconnecting') return { status, phase: 'up', told: true };
  return continueStory({ status, phase: 'down', told: false }, tunnel);
}

function continueStory(story: Story, tunnel: Tunnel): Story {
  const status = statusOf(tunnel);
  switch (status) {
    case 'connecting':
      // A retry follows a pause; what follows an end at once was asked for, and is a new series.
      return { status, phase: 'trying', told: story.told && story.status !== 'disconnecting' };
    case 'connected':
    case 'reasserting':
      return { status, phase: 'up', told: false };
    case 'disconnecting':
      return { ...story, status };
    case 'disconnected':
    case 'invalid': {
      const waiting = isWaiting(tunnel.session);
      return { status, phase: waiting ? 'trying' : 'down', told: waiting };
    }
  }
}

function tell(story: Story, tunnel: Tunnel): Omit<SessionNotification, 'id'> | null {
  const status = statusOf(tunnel);
  if (status === 'connected') {
    if (story.phase === 'up') return null;
    return { title: `${tunnel.name} is connected`, body: 'Traffic goes through the tunnel.' };
  }
  if (!isDown(status) || isDown(story.status)) return null;
  const waiting = isWaiting(tunnel.session);
  const failure = failureOf(tunnel.session?.lastEnd ?? null);
  // A provider may end without an error; that it is tried again shows that nobody asked for it.
  if (waiting ? story.told : failure === null) return null;
  return {
    title: `${tunnel.name} ${story.phase === 'up' ? 'was disconnected' : 'could not connect'}`,
    body: [failure?.message, waiting ? 'Sallyport keeps trying.' : undefined]
      .filter((text) => text !== undefined)
      .join(' '),
  };
}

function statusOf(tunnel: Tunnel): SessionStatus {
  return tunnel.session?.status ?? 'disconnected';
}

function isDown(status: SessionStatus): boolean {
  return status === 'disconnected' || status === 'invalid';
}
