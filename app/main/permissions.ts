/** What a page asks of its browser, and the state of the app at that moment. */
export interface PermissionQuestion {
  /** Chromium's name of the permission. */
  readonly permission: string;
  /** For `media`: `video`, `audio`, or `unknown` when Chromium asks in general. */
  readonly media: readonly string[];
  /** Whether it is the main frame of our own page. */
  readonly isOwnPage: boolean;
  /** Whether the person has opened the scanner of QR codes. */
  readonly isScannerOpen: boolean;
}

/** The one thing that is ever permitted: video, without sound, for our own page while its scanner is open. */
export function isPermitted({ permission, media, isOwnPage, isScannerOpen }: PermissionQuestion): boolean {
  const isVideoAlone = media.length > 0 && media.every((type) => type === 'video');
  return permission === 'media' && isVideoAlone && isOwnPage && isScannerOpen;
}
