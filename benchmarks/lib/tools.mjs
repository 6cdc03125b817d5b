import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The programs that are measured or measure, and the Debian package that has each. */
const PACKAGES = { wrk: 'wrk', curl: 'curl', nginx: 'nginx-light', 'docker-registry': 'docker-registry' };
/** Daemons are often installed where only an administrator's PATH looks. */
const ALSO = ['/usr/sbin', '/usr/local/sbin', '/sbin'];

/**
 * Paths of the programs by name.
 *
 * @throws Error naming those that are missing, with the line that installs them
 */
export function findTools() {
  const paths = {};
  const missing = [];
  for (const [name, debian] of Object.entries(PACKAGES)) {
    const path = find(name);
    if (path === undefined) missing.push({ name, debian });
    else paths[name] = path;
  }
  if (missing.length > 0) {
    const names = missing.map(({ name }) => name).join(', ');
    throw new Error(`needs ${names} (apt-get install ${missing.map(({ debian }) => debian).join(' ')})`);
  }
  return paths;
}

function find(name) {
  const folders = [...(process.env.PATH ?? '').split(delimiter).filter(Boolean), ...ALSO];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
