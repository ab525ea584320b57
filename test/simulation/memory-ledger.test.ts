import { testLedger } from "../../src/ledger/ledger.testsuite.ts";
import { createDisk, type Disk, openMemoryLedger } from "./memory-ledger.ts";

const disks = new Map<string, Disk>();

testLedger({
  name: "memory",
  open(place) {
    let disk = disks.get(place);
    if (!disk) disks.set(place, (disk = createDisk()));
    return openMemoryLedger(disk);
  },
});
