import { describeFaults } from './describe-faults.js';
import { originRows } from './rows/origin-rows.js';

describeFaults('other servers', originRows);
