// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

interface Erc20 {
    function approve(address spender, uint256 value) external returns (bool);
    function transfer(address to, uint256 value) external returns (bool);
}

/// What users of an Aave v3 Pool do.
interface AavePool {
    function supply(address asset, uint256 amount, address onBehalfOf, uint16 referralCode) external;
    function withdraw(address asset, uint256 amount, address to) external returns (uint256);
    function borrow(address asset, uint256 amount, uint256 mode, uint16 referralCode, address onBehalfOf) external;
    function repay(address asset, uint256 amount, uint256 mode, address onBehalfOf) external returns (uint256);
    function setUserUseReserveAsCollateral(address asset, bool on) external;
    function setUserEMode(uint8 category) external;
}

/// One account of the crowd: does what the crowd's contract tells it, as itself.
contract Puppet {
    address private immutable crowd;

    constructor() {
        crowd = msg.sender;
    }

    function act(address target, bytes calldata data) external returns (bool done, bytes memory answer) {
        require(msg.sender == crowd, "not told by the crowd");
        return target.call(data);
    }
}

/// Many accounts of one Aave v3 market, many actions in one transaction.
///
/// An account is a minimal proxy of `Puppet` at a CREATE2 address with its number as salt. What the
/// Pool refuses is told by an event, and the others go on. This contract must hold the tokens that
/// its accounts supply and repay.
contract Crowd {
    /// An action is one word: kind, place of the reserve (8 bits each), number of the account, a
    /// second number (32 bits each; rate mode, on or off, e-mode or recipient), amount (128 bits;
    /// all of them set: everything).
    uint256 private constant GIVE = 0; // supplied by this contract on the account's behalf
    uint256 private constant SUPPLY = 1;
    uint256 private constant WITHDRAW = 2;
    uint256 private constant BORROW = 3;
    uint256 private constant REPAY = 4; // of what it holds itself
    uint256 private constant HELP = 5; // repaid by this contract on the account's behalf
    uint256 private constant COLLATERAL = 6;
    uint256 private constant EMODE = 7;
    uint256 private constant SEND = 8; // aTokens, to another account
    uint256 private constant PAY = 9; // underlying tokens, from this contract to the account

    AavePool private immutable pool;
    bytes32 public immutable codeHash;
    address private immutable implementation;
    address[] private tokens;
    address[] private aTokens;

    event Refused(uint256 indexed account, uint256 action, bytes reason);

    constructor(address pool_, address[] memory tokens_, address[] memory aTokens_) {
        pool = AavePool(pool_);
        tokens = tokens_;
        aTokens = aTokens_;
        implementation = address(new Puppet());
        codeHash = keccak256(_code());
        for (uint256 i = 0; i < tokens_.length; i++) {
            Erc20(tokens_[i]).approve(pool_, type(uint256).max);
        }
    }

    /// Makes the accounts `first`, `first + 1`, … before `end`.
    function join(uint256 first, uint256 end) external {
        bytes memory code = _code();
        for (uint256 salt = first; salt < end; salt++) {
            address made;
            assembly {
                made := create2(0, add(code, 32), mload(code), salt)
            }
            require(made != address(0), "account not made");
        }
    }

    /// The address of an account, made or not.
    function addressOf(uint256 number) public view returns (address) {
        return address(uint160(uint256(keccak256(abi.encodePacked(hex"ff", this, number, codeHash)))));
    }

    /// Does all actions, in order.
    function play(uint256[] calldata actions) external {
        for (uint256 i = 0; i < actions.length; i++) {
            (bool done, bytes memory reason) = _do(actions[i]);
            if (!done) emit Refused((actions[i] >> 160) & type(uint32).max, actions[i], reason);
        }
    }

    function _do(uint256 action) private returns (bool done, bytes memory answer) {
        uint256 kind = action >> 200;
        uint256 place = (action >> 192) & 0xff;
        uint256 second = (action >> 128) & type(uint32).max;
        uint256 amount = action & type(uint128).max;
        if (amount == type(uint128).max) amount = type(uint256).max;
        address user = addressOf((action >> 160) & type(uint32).max);
        address token = tokens[place];
        if (kind == GIVE) return address(pool).call(abi.encodeCall(pool.supply, (token, amount, user, 0)));
        if (kind == HELP) return address(pool).call(abi.encodeCall(pool.repay, (token, amount, second, user)));
        if (kind == PAY) return token.call(abi.encodeCall(Erc20.transfer, (user, amount)));
        if (kind == SEND) {
            return Puppet(user).act(aTokens[place], abi.encodeCall(Erc20.transfer, (addressOf(second), amount)));
        }
        bytes memory call;
        if (kind == SUPPLY || kind == REPAY) {
            Puppet(user).act(token, abi.encodeCall(Erc20.approve, (address(pool), type(uint256).max)));
        }
        if (kind == SUPPLY) {
            Erc20(token).transfer(user, amount);
            call = abi.encodeCall(pool.supply, (token, amount, user, 0));
        } else if (kind == WITHDRAW) {
            call = abi.encodeCall(pool.withdraw, (token, amount, user));
        } else if (kind == BORROW) {
            call = abi.encodeCall(pool.borrow, (token, amount, second, 0, user));
        } else if (kind == REPAY) {
            call = abi.encodeCall(pool.repay, (token, amount, second, user));
        } else if (kind == COLLATERAL) {
            call = abi.encodeCall(pool.setUserUseReserveAsCollateral, (token, second != 0));
        } else {
            require(kind == EMODE, "no such action");
            call = abi.encodeCall(pool.setUserEMode, (uint8(second)));
        }
        return Puppet(user).act(address(pool), call);
    }

    /// EIP-1167: returns a proxy that delegates every call to the implementation.
    function _code() private view returns (bytes memory) {
        return abi.encodePacked(
            hex"3d602d80600a3d3981f3363d3d373d3d3d363d73", implementation, hex"5af43d82803e903d91602b57fd5bf3"
        );
    }
}
