export {
  createOrgSettings,
  type OrgSettings,
  type OrgSettingsOptions,
  type Settings,
} from './create-org-settings.js';
export {
  type FieldProblem,
  isSettingsError,
  SETTINGS_ERRORS,
  SettingsError,
  type SettingsErrorCode,
  type SettingsErrorOptions,
} from './errors.js';
export type { NewSettings, SettingsValues } from './fields/settings-values.js';
export type {
  ConnectionReport,
  OrganizationDirectory,
  SampleImage,
  UpstreamCandidate,
  UpstreamProbe,
} from './ports.js';
export { orgSettingsMigrations } from './postgres/migrations.js';
