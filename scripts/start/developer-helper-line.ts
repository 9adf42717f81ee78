import * as z from 'zod';

/** What `developer-helper.ts` prints once it is up. */
export const developerHelperSchema = z.strictObject({
  /** The endpoint's socket. */
  ready: z.string(),
  /** A file to import. */
  sample: z.string(),
  /** A page that only the tunnel leads to. */
  page: z.string(),
  /** Who plays the peer. */
  peer: z.string(),
});
export type DeveloperHelper = z.infer<typeof developerHelperSchema>;
