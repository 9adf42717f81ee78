import * as z from 'zod';

/** A value that survives `JSON.parse(JSON.stringify(value))` unchanged. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** Any JSON value; what a vendor's dictionary may hold. */
export const jsonSchema: z.ZodType<Json> = z.json();

/** A JSON object with string keys. */
export type JsonObject = Readonly<Record<string, Json>>;

export const jsonObjectSchema: z.ZodType<JsonObject> = z.record(z.string(), jsonSchema);

/** Bytes in standard base64 with padding, as they travel over the endpoint. */
export const base64Schema = z.base64();
