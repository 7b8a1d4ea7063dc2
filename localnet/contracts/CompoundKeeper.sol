// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

interface Approved {
    function approve(address spender, uint256 value) external returns (bool);
}

interface CompoundMarket {
    function accrueInterest() external returns (uint256);
    function liquidateBorrow(address borrower, uint256 repaid, address collateral) external returns (uint256);
}

interface CompoundComptroller {
    function getAccountLiquidity(address owner) external view returns (uint256, uint256, uint256);
    function liquidateBorrowAllowed(
        address borrowed,
        address collateral,
        address liquidator,
        address borrower,
        uint256 repaid
    ) external returns (uint256);
}

/// A keeper at a Comptroller: brings the markets that it is told up to the block, and then acts or looks.
///
/// A refusal of Compound's is a number that is returned, not a revert; both numbers are given back here.
contract CompoundKeeper {
    CompoundComptroller private immutable comptroller;

    constructor(address comptroller_) {
        comptroller = CompoundComptroller(comptroller_);
    }

    function approve(address token, address spender) external {
        Approved(token).approve(spender, type(uint256).max);
    }

    /// The Comptroller's own view of an account after the markets have accrued.
    function look(address[] calldata markets, address owner) external returns (uint256, uint256, uint256) {
        _accrue(markets);
        return comptroller.getAccountLiquidity(owner);
    }

    /// One liquidation after the markets have accrued: the Comptroller's word on it, then the market's.
    function liquidate(
        address[] calldata markets,
        address borrowed,
        address collateral,
        address borrower,
        uint256 repaid
    ) external returns (uint256 allowed, uint256 code) {
        _accrue(markets);
        // As `liquidateBorrow` itself does before it asks.
        CompoundMarket(borrowed).accrueInterest();
        CompoundMarket(collateral).accrueInterest();
        allowed = comptroller.liquidateBorrowAllowed(borrowed, collateral, address(this), borrower, repaid);
        code = CompoundMarket(borrowed).liquidateBorrow(borrower, repaid, collateral);
    }

    function _accrue(address[] calldata markets) private {
        for (uint256 i = 0; i < markets.length; i++) {
            require(CompoundMarket(markets[i]).accrueInterest() == 0, "a market does not accrue");
        }
    }
}
