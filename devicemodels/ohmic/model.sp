* Ohmic cell: i = g v. Port x carries the state, here the constant conductance: v(x) in V is g in S.
.subckt ohmic p n x params: g=34.055e-6
Bcell p n i = ({g})*v(p,n)
Bx 0 x i = ({g})
Rx x 0 1
.ends ohmic
