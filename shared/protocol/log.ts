import * as z from 'zod';
import { jsonObjectSchema } from './json.ts';

export const logLevels = ['debug', 'info', 'notice', 'warning', 'error'] as const;
export const logLevelSchema = z.enum(logLevels);
export type LogLevel = z.infer<typeof logLevelSchema>;

/** One line of the structured log. */
export const logEntrySchema = z.strictObject({
  /** Unix milliseconds. */
  time: z.int().nonnegative(),
  /** Grows by one with each entry of a helper process. */
  sequence: z.int().nonnegative(),
  level: logLevelSchema,
  /** The room of the helper that speaks: `sessions`, `network`, `endpoint`, `provider` … */
  category: z.string().max(50),
  message: z.string().max(4000),
  configurationId: z.uuid().optional(),
  fields: jsonObjectSchema.optional(),
});
export type LogEntry = z.infer<typeof logEntrySchema>;
