import * as z from 'zod';

/** Largest PKCS#12 file that is imported, in bytes before base64. */
export const maximumPkcs12Bytes = 256 * 1024;

/** Longest password of a PKCS#12 file, in UTF-16 units. */
export const maximumPkcs12Password = 1000;

/** The public facts of an imported identity: what a person may see of it, and never its key (contract K3). */
export const identityFactsSchema = z.strictObject({
  /** Distinguished names as RFC 4514 writes them. */
  subject: z.string().max(2000),
  issuer: z.string().max(2000),
  /** Hexadecimal, upper case. */
  serialNumber: z.string().max(100),
  /** Unix milliseconds. */
  notBefore: z.int(),
  notAfter: z.int(),
  /** SHA-256 of the certificate's DER, 64 hexadecimal digits in lower case. */
  fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
  keyType: z.enum(['rsa', 'ec']),
  /** Bits of the RSA modulus or of the curve's field. */
  keyBits: z.int().positive(),
  /** Certificates in the chain, the identity's own included. */
  chainLength: z.int().positive(),
});
export type IdentityFacts = z.infer<typeof identityFactsSchema>;
