* i = g (age/t_c)^(-nu) v. Port x carries the constant state, the conductance at age t_c: v(x) in V is g in S.
.subckt pcm p n x params: g=12.5e-6 nu=0.049 age=3620.0 t_c=20.0
.param now={g*exp(-nu*ln(age/t_c))}
Bcell p n i = ({now})*v(p,n)
Bx 0 x i = ({g})
Rx x 0 1
.ends pcm
