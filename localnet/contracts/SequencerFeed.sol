// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// An L2's sequencer uptime feed: answer 0 is up, 1 is down. Everything it says is settable.
contract SequencerFeed {
    int256 private answer;
    uint256 private startedAt;
    uint256 private updatedAt;

    constructor() {
        startedAt = block.timestamp;
        updatedAt = block.timestamp;
    }

    /// `since`: when the present status began, and when it was last updated.
    function set(int256 answer_, uint256 since) external {
        setApart(answer_, since, since);
    }

    /// The two apart: Aave's sentinel counts from the update in v3.0, from the beginning since v3.1.
    function setApart(int256 answer_, uint256 startedAt_, uint256 updatedAt_) public {
        answer = answer_;
        startedAt = startedAt_;
        updatedAt = updatedAt_;
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return (1, answer, startedAt, updatedAt, 1);
    }
}
