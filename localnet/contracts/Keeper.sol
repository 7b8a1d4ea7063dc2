// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

interface VaultEngine {
    function ilks(bytes32) external view returns (uint256, uint256, uint256, uint256, uint256);
    function urns(bytes32, address) external view returns (uint256, uint256);
}

interface Poked {
    function poke(bytes32) external;
}

interface Dripped {
    function drip(bytes32) external returns (uint256);
}

interface Barking {
    function bark(bytes32, address, address) external returns (uint256);
}

/// What a Maker keeper does in one transaction: bring price and fee up to date, then bark.
contract Keeper {
    /// Debt, rate and spot as they would be; nothing is kept when it is called from outside.
    function look(address vat, address spotter, address jug, bytes32 ilk, address urn)
        external
        returns (uint256 ink, uint256 art, uint256 rate, uint256 spot)
    {
        _refresh(spotter, jug, ilk);
        (ink, art) = VaultEngine(vat).urns(ilk, urn);
        (, rate, spot,,) = VaultEngine(vat).ilks(ilk);
    }

    /// A zero address for `spotter` or `jug` leaves that step out.
    function bark(address dog, address spotter, address jug, bytes32 ilk, address urn)
        external
        returns (uint256)
    {
        _refresh(spotter, jug, ilk);
        return Barking(dog).bark(ilk, urn, msg.sender);
    }

    function _refresh(address spotter, address jug, bytes32 ilk) private {
        if (spotter != address(0)) Poked(spotter).poke(ilk);
        if (jug != address(0)) {
            // A fee that overflows is never booked; the vault is then judged by the old one.
            try Dripped(jug).drip(ilk) {} catch {}
        }
    }
}
