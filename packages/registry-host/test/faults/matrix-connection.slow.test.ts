import { describeFaults } from './describe-faults.js';
import { connectionRows } from './rows/connection-rows.js';

describeFaults('connections', connectionRows);
