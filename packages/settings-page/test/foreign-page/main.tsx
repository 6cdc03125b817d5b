import '@patternfly/react-core/dist/styles/base.css';
import { createSettingsPageApi, ProxyCacheSettings } from '@breakwater/settings-page';
import { createRoot } from 'react-dom/client';

// What somebody writes who has a page of their own: the component, and how requests are let in there.

const parameters = () => new URLSearchParams(window.location.search);
const place = document.getElementById('place');
if (place === null) throw new Error('there is no place for the settings');
createRoot(place).render(
  <ProxyCacheSettings
    api={createSettingsPageApi({ headers: () => ({ authorization: parameters().get('authorization') ?? '' }) })}
    organization={parameters().get('organization') ?? ''}
    registryUrl="https://registry.example.com"
  />,
);
