import type { Check } from '../check.js';
import { API_CHECKS } from './api-checks.js';
import { DISCOVERY_CHECKS } from './discovery-checks.js';
import { MANAGEMENT_CHECKS } from './management-checks.js';
import { PROXYING_CHECKS } from './proxying-checks.js';
import { PULL_CHECKS } from './pull-checks.js';
import { PUSH_CHECKS } from './push-checks.js';

/** Every check. The warnings come last: they are about every answer before them. */
export const ALL_CHECKS: readonly Check[] = [
  ...PULL_CHECKS,
  ...PUSH_CHECKS,
  ...DISCOVERY_CHECKS,
  ...MANAGEMENT_CHECKS,
  ...PROXYING_CHECKS,
  ...API_CHECKS,
];
