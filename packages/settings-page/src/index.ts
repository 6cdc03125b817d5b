export { ApiFailure, type FieldProblem, isApiFailure } from './api/api-failure.js';
export type { ApiOptions } from './api/request.js';
export { createSettingsPageApi, type SettingsPageApi } from './api/settings-page-api.js';
export { ProxyCacheSettings, type ProxyCacheSettingsProps } from './proxy-cache-settings.js';
