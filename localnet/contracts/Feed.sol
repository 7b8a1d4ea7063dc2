// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// A price feed with the reading interface of Chainlink aggregators, and open setters.
contract Feed {
    struct Round {
        int256 answer;
        uint256 updatedAt;
    }

    /// Storage slot 0 is the newest answer and nothing else: a test may override that word and
    /// move the price without a block. Keep it first.
    int256 private newest;
    uint80 private round;
    bool public broken;
    mapping(uint80 => Round) private rounds;

    uint8 public immutable decimals;
    string public description;
    uint256 public constant version = 6;

    event AnswerUpdated(int256 indexed current, uint256 indexed roundId, uint256 updatedAt);

    constructor(string memory description_, uint8 decimals_, int256 answer) {
        description = description_;
        decimals = decimals_;
        // Proxies number rounds with their phase above bit 64, so round ids do not fit 64 bits.
        round = uint80(1) << 64;
        _publish(answer, block.timestamp);
    }

    /// Publishes a new round, of this block.
    function setAnswer(int256 answer) external {
        _publish(answer, block.timestamp);
    }

    /// Publishes a new round that claims another time, e.g. one long past.
    function setAnswerAt(int256 answer, uint256 updatedAt) external {
        _publish(answer, updatedAt);
    }

    /// Makes every reading revert, or work again.
    function setBroken(bool broken_) external {
        broken = broken_;
    }

    function latestAnswer() external view returns (int256) {
        require(!broken, "feed is broken");
        return newest;
    }

    function latestTimestamp() external view returns (uint256) {
        require(!broken, "feed is broken");
        return rounds[round].updatedAt;
    }

    function latestRound() external view returns (uint256) {
        require(!broken, "feed is broken");
        return round;
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return _read(round);
    }

    function getRoundData(uint80 id) external view returns (uint80, int256, uint256, uint256, uint80) {
        return _read(id);
    }

    function _publish(int256 answer, uint256 updatedAt) private {
        round += 1;
        newest = answer;
        rounds[round] = Round(answer, updatedAt);
        emit AnswerUpdated(answer, round, updatedAt);
    }

    function _read(uint80 id) private view returns (uint80, int256, uint256, uint256, uint80) {
        require(!broken, "feed is broken");
        Round memory found = rounds[id];
        require(found.updatedAt != 0, "No data present");
        int256 answer = id == round ? newest : found.answer;
        return (id, answer, found.updatedAt, found.updatedAt, id);
    }
}
