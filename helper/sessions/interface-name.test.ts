import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { interfaceName, interfacePrefix, maximumInterfaceNameLength } from './interface-name.ts';

describe('interface names', () => {
  it('[L10] are valid, always the same, and begin with what is the extension’s alone', () => {
    fc.assert(
      fc.property(fc.string(), fc.uuid(), (extension, configuration) => {
        const name = interfaceName(extension, configuration);
        expect(name).toBe(interfaceName(extension, configuration));
        expect(name).toMatch(/^sp[0-9a-f]{4}-[0-9a-f]{8}$/);
        expect(name.length).toBeLessThanOrEqual(maximumInterfaceNameLength);
        expect(name.startsWith(interfacePrefix(extension))).toBe(true);
      }),
    );
  });

  it('[L10] keep extensions and configurations apart', () => {
    expect(interfacePrefix('org.sallyport.helper')).not.toBe(interfacePrefix('com.example.helper'));
    const ids = Array.from(
      { length: 500 },
      (_, index) => `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`,
    );
    expect(new Set(ids.map((id) => interfaceName('org.sallyport.helper', id))).size).toBe(ids.length);
  });
});
