import { setTimeout as sleep } from 'node:timers/promises';
import { parseOrganizationName, silentLogger } from '@breakwater/registry-core';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createSecretBox } from '../credentials/secret-box.js';
import { DEFAULT_VALUES } from '../fields/settings-values.js';
import type { SettingsReads, Snapshot, StoredSettings } from '../settings-store.js';
import { SettingsCopy } from './settings-copy.js';

const acme = parseOrganizationName('acme') ?? fail();
const other = parseOrganizationName('other') ?? fail();

function fail(): never {
  throw new Error('no organization name');
}

function stored(version: number): StoredSettings {
  const values = { ...DEFAULT_VALUES, upstream: 'docker.io', expirationS: version };
  return { organization: acme, values, sealed: undefined, credentialVersion: version, version };
}

/** A database of one organization, whose reads can be held back after they have taken their snapshot. */
class SlowReads implements SettingsReads {
  version = 1;
  reads = 0;
  held: Promise<unknown> = Promise.resolve();

  async read(organization: string): Promise<Snapshot> {
    this.reads += 1;
    const changeNumber = this.version;
    const settings = organization === 'acme' ? stored(changeNumber) : undefined;
    await this.held;
    return { changeNumber, settings };
  }
  async readRecent() {
    return { changeNumber: this.version, settings: [stored(this.version)] };
  }
  async changeNumber() {
    return this.version;
  }
  async changesSince() {
    return { changeNumber: this.version, changed: new Map([[acme, stored(this.version)]]) };
  }
}

describe('the copy of the settings', () => {
  const copies: SettingsCopy[] = [];
  afterEach(() => {
    for (const copy of copies.splice(0)) copy.close();
  });

  function startCopy(maxStaleMs: number) {
    const reads = new SlowReads();
    const copy = new SettingsCopy({
      reads,
      box: createSecretBox(new Uint8Array(32)),
      logger: silentLogger,
      maxStaleMs,
    });
    copies.push(copy);
    return { reads, copy };
  }

  test('does not keep a read that a change has overtaken', async () => {
    const { reads, copy } = startCopy(20);
    await copy.find(other);
    let release = () => {};
    reads.held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = copy.find(acme);
    await sleep(5);
    reads.version = 2;
    // The poll learns of change 2 while the read still carries what was true before.
    await sleep(60);
    release();
    expect((await slow)?.expirationS).toBe(2);
    expect(reads.reads).toBe(3);
  });

  test('does not put a write back with a read that began before it', async () => {
    const { reads, copy } = startCopy(60_000);
    await copy.find(other);
    let release = () => {};
    reads.held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = copy.find(acme);
    await sleep(5);
    copy.put(acme, 2, stored(2));
    release();
    expect((await slow)?.expirationS).toBe(2);
    expect((await copy.find(acme))?.expirationS).toBe(2);
  });

  test('filled before it is asked asks only for the change number', async () => {
    const { reads, copy } = startCopy(60_000);
    await copy.fill();
    expect((await copy.find(acme))?.expirationS).toBe(1);
    expect(reads.reads).toBe(0);
  });
});
