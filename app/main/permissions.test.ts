import { describe, expect, it } from 'vitest';
import { isPermitted, type PermissionQuestion } from './permissions.ts';

const scanning: PermissionQuestion = {
  permission: 'media',
  media: ['video'],
  isOwnPage: true,
  isScannerOpen: true,
};

describe('isPermitted', () => {
  it('lets our own page see while its scanner is open', () => {
    expect(isPermitted(scanning)).toBe(true);
  });

  it.each<[string, Partial<PermissionQuestion>]>([
    ['when the scanner is closed', { isScannerOpen: false }],
    ['to another page or frame', { isOwnPage: false }],
    ['to listen', { media: ['audio'] }],
    ['to see and listen', { media: ['video', 'audio'] }],
    ['to something it does not name', { media: [] }],
    ['to something of an unknown kind', { media: ['unknown'] }],
    ['to know where the computer is', { permission: 'geolocation', media: [] }],
    ['to show notifications of its own', { permission: 'notifications', media: [] }],
  ])('is closed %s', (_title, change) => {
    expect(isPermitted({ ...scanning, ...change })).toBe(false);
  });
});
